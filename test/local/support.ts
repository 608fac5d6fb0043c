/**
 * Shared by the tests of local/: the synthesized fixture, a gate at which functions wait, and readers of JSON.
 * @module
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isObject, type JsonObject } from '../../local/template/json.ts';
import { cachedAssembly } from '../../scripts/hub/cached-assembly.ts';

/** Creates a directory. `remove` removes it. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'local-stack-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

const FIXTURE = fileURLToPath(new URL('fixture', import.meta.url));
const ASSEMBLIES = resolve('.tidings/assemblies');

/** Stands for the port of the backend in the assembly that all files share. */
const ANY_PORT = 'BACKEND_PORT_OF_THE_TEST';

/**
 * Returns the assembly of an app of the fixture, which must not be changed: `tamper` makes a copy. The app runs once for all files
 * that need it, and again when it changes. With a backend, the assembly is a copy that has its port.
 */
export async function synthesizeFixture(
  { backend, ...context }: Record<string, unknown> = {},
  app: 'app' | 'edge' | 'queues' | 'socket' = 'app',
) {
  const sources = ['**/*', '../../../package-lock.json'];
  const assembly = await cachedAssembly(FIXTURE, ASSEMBLIES, { ...context, app, backend: ANY_PORT }, sources);
  if (backend === undefined) return { assembly, remove() {} };
  const copy = temporaryDirectory();
  cpSync(assembly, copy.path, { recursive: true });
  for (const name of readdirSync(copy.path).filter((name) => name.endsWith('.template.json'))) {
    const file = join(copy.path, name);
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(ANY_PORT, String(backend)));
  }
  return { assembly: copy.path, remove: copy.remove };
}

/** Returns a copy of the assembly with a changed template of one stack. */
export function tamper(assembly: string, stack: string, change: (template: JsonObject) => void) {
  const directory = temporaryDirectory();
  cpSync(assembly, directory.path, { recursive: true });
  const file = join(directory.path, `${stack}.template.json`);
  const template: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!isObject(template)) throw new Error(`${file} is no template`);
  change(template);
  writeFileSync(file, JSON.stringify(template));
  return { assembly: directory.path, remove: directory.remove };
}

/** Returns the first resource of a type whose logical id begins with `id`. */
export function resourceOf(
  template: JsonObject,
  type: string,
  id = '',
): { logicalId: string; properties: JsonObject } {
  for (const [logicalId, resource] of Object.entries(at(template, 'Resources'))) {
    if (isObject(resource) && resource.Type === type && logicalId.startsWith(id)) {
      resource.Properties ??= {};
      return { logicalId, properties: at(resource, 'Properties') };
    }
  }
  throw new Error(`the template has no ${type}`);
}

/** Returns the object below the names. */
export function at(value: unknown, ...names: string[]): JsonObject {
  let current = value;
  for (const name of names) current = isObject(current) ? current[name] : undefined;
  if (isObject(current)) return current;
  throw new Error(`no object at ${names.join('.')} of ${JSON.stringify(value)}`);
}

/** Returns the JSON object of a response. */
export async function jsonOf(response: Response): Promise<JsonObject> {
  const value: unknown = await response.json();
  if (isObject(value)) return value;
  throw new Error(`not an object: ${JSON.stringify(value)}`);
}

export interface Gate {
  readonly port: string;
  /** Resolves with the `pid` of each waiting request, when `count` requests wait. */
  arrived(count: number): Promise<string[]>;
  /** Answers all waiting requests. */
  open(): void;
  close(): Promise<void>;
}

/** Starts a server at which functions wait until the test opens it, so that no test depends on time. */
export async function startGate(): Promise<Gate> {
  let waiting: { response: ServerResponse; pid: string }[] = [];
  let watchers: (() => void)[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    waiting.push({ response, pid: new URL(request.url ?? '/', 'http://gate').searchParams.get('pid') ?? '' });
    for (const look of watchers) look();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the gate got no port');
  return {
    port: String(address.port),
    arrived: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (waiting.length < count) return;
          watchers = watchers.filter((other) => other !== look);
          resolve(waiting.map(({ pid }) => pid));
        };
        watchers.push(look);
        look();
      }),
    open() {
      for (const { response } of waiting) response.end('go');
      waiting = [];
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Sends a raw request. fetch would change header names, and refuse some methods and headers. */
export function rawRequest(
  url: string,
  options: {
    method?: string;
    /** Replaces the path of the URL, without any change. */
    target?: string;
    headers?: Record<string, string | string[]>;
    body?: Buffer | Iterable<Buffer>;
  },
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', target, headers = {} } = options;
    const request = httpRequest(url, { method, headers, ...(target !== undefined && { path: target }) });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    const { body } = options;
    if (body === undefined || Buffer.isBuffer(body)) request.end(body);
    else {
      for (const chunk of body) request.write(chunk);
      request.end();
    }
  });
}

/** Returns true while the process exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
