/**
 * Starts the webhook receiver, with an endpoint of the hub that sends to it.
 * @module
 */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fieldsOf } from '../../protocol/fields.ts';
import { UsageError } from '../cli.ts';
import { mint } from '../mint.ts';
import { startBackend } from './backend.ts';
import type { ExampleHub } from './example-hub.ts';

const CHANNELS = 'orders/*';
const DEFAULT_PORT = '4000';
/** Bytes of a secret. */
const SECRET_BYTES = 32;
/** Seconds. The endpoint is removed at the end, with another token. */
const TOKEN_SECONDS = 60;

/** Starts the receiver. @returns the process, and the function that removes the endpoint */
export async function startReceiver({
  url,
  keys,
}: ExampleHub): Promise<{ readonly backend: ChildProcess; readonly close: () => Promise<void> }> {
  const { PORT = DEFAULT_PORT } = process.env;
  if (!/^[1-9]\d{0,4}$/.test(PORT))
    throw new UsageError(`PORT is ${PORT}, it must be a number from 1 to 65535`);
  const request = async (method: string, path: string, body?: object): Promise<Response> => {
    const capability = { [CHANNELS]: ['subscribe', 'webhook'] } as const;
    const token = await mint({ ...keys, sub: 'receiver', capability, ttlSeconds: TOKEN_SECONDS });
    const response = await fetch(`${url}/webhooks${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (response.ok) return response;
    const { error } = fieldsOf(await response.json().catch(() => undefined));
    throw new Error(`the hub answered ${response.status}: ${fieldsOf(error).message}`);
  };
  const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
  const endpoint = { url: `http://127.0.0.1:${PORT}/`, channels: [CHANNELS], secret };
  const { id } = fieldsOf(await (await request('POST', '', endpoint)).json());
  return {
    backend: startBackend('webhook-receiver/receiver.ts', { WEBHOOK_SECRET: secret, PORT }, 'inherit'),
    close: async () => void (await request('DELETE', `/${String(id)}`)),
  };
}
