/**
 * Serves an application on this machine.
 * @module
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';

/** Answers a request. */
export type Fetch = (request: Request) => Response | Promise<Response>;

const DEFAULT_PORT = 4100;

/** Says in one sentence why the program cannot go on, and ends it. */
export function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

/** Listens at PORT (default 4100, or a free port if that is taken), for this machine only. Returns the address. */
export async function listen(fetch: Fetch): Promise<string> {
  const server = createServer(getRequestListener(fetch, { overrideGlobalObjects: false }));
  // It ends with the program that has started it, if that one wants it so: npm run example and the tests.
  process.on('disconnect', () => process.exit());
  const { PORT } = process.env;
  if (PORT !== undefined && !(/^\d{1,5}$/.test(PORT) && Number(PORT) < 65_536))
    fail(`PORT is ${PORT}, it must be a whole number up to 65535`);
  server.listen(Number(PORT ?? DEFAULT_PORT), '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    if (PORT !== undefined) fail(`PORT is ${PORT}, and no program can listen there now: choose another one`);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server got no port');
  return `http://127.0.0.1:${address.port}/`;
}
