/**
 * Answers held against docs/openapi.yaml: the document says which statuses each request may get, and what the answers look like. Each
 * status that is seen is saved, and scripts/test/openapi.ts compares them with the document when the run is over.
 * @module
 */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

type Json = Readonly<Record<string, unknown>>;

const FILE = resolve(import.meta.dirname, '../../../docs/openapi.yaml');
const SEEN_DIR = resolve('.tidings/openapi');
const document: Json = Object(parse(readFileSync(FILE, 'utf8')));
const ajv = new Ajv2020({ strict: false }).addSchema(document, 'openapi');

const at = (pointer: string): unknown =>
  pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((node, key) => Object(node)[key.replaceAll('~1', '/').replaceAll('~0', '~')], document);

/** Follows references from a pointer into the document. */
function settled(pointer: string): { readonly pointer: string; readonly node: Json } | undefined {
  const node: unknown = at(pointer);
  if (typeof node !== 'object' || node === null) return undefined;
  const { $ref }: { readonly $ref?: unknown } = { ...node };
  return typeof $ref === 'string' ? settled($ref.slice(1)) : { pointer, node: { ...node } };
}

/** The paths, the most specific first: a channel may have slashes. */
const paths = Object.keys(Object(document.paths))
  .map((path) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll('{channel}', '.+').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }))
  .sort((one, other) => other.path.length - one.path.length);

const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

const validators = new Map<string, ValidateFunction>();
function isValid(pointer: string, value: unknown): string | undefined {
  const known = validators.get(pointer) ?? ajv.compile({ $ref: `openapi#${pointer}` });
  validators.set(pointer, known);
  return known(value) ? undefined : ajv.errorsText(known.errors);
}

const saved = new Set<string>();
/** Remembers that an operation was answered with a status. */
export function saw(method: string, path: string, status: string): void {
  const line = `${method} ${path} ${status}`;
  if (saved.has(line)) return;
  saved.add(line);
  mkdirSync(SEEN_DIR, { recursive: true });
  appendFileSync(resolve(SEEN_DIR, `${process.pid}.txt`), `${line}\n`);
}

/**
 * Checks an answer of the hub. A path or a method that the document does not have is refused by the hub, and is not checked.
 * @throws Error if the document does not have such an answer
 */
export async function checkAnswer(method: string, target: string, response: Response): Promise<void> {
  const { pathname } = new URL(target, 'http://hub');
  const path = paths.find(({ pattern }) => pattern.test(pathname))?.path;
  const item = path === undefined ? undefined : settled(`/paths/${escaped(path)}`);
  const operation = item && settled(`${item.pointer}/${method.toLowerCase()}`);
  if (path === undefined || !operation) return;
  const { status } = response;
  const named = settled(`${operation.pointer}/responses/${status}`);
  const answer = named ?? (status >= 400 ? settled(`${operation.pointer}/responses/default`) : undefined);
  const about = `${method} ${target}: ${status}`;
  if (!answer) throw new Error(`${about} is not in docs/openapi.yaml`);
  saw(method, path, named ? String(status) : 'default');
  checkHeaders(about, answer.pointer, response);
  if (method !== 'HEAD') await checkBody(about, answer.pointer, response);
}

function checkHeaders(about: string, pointer: string, { headers }: Response): void {
  for (const name of Object.keys(Object(at(`${pointer}/headers`)))) {
    const value = headers.get(name);
    const header = settled(`${pointer}/headers/${name}`);
    if (value === null || !header) continue;
    const wrong = isValid(`${header.pointer}/schema`, value);
    if (wrong !== undefined) throw new Error(`${about}: ${name} is ${value}: ${wrong}`);
  }
}

async function checkBody(about: string, pointer: string, response: Response): Promise<void> {
  const type = (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const content = Object(at(`${pointer}/content`));
  // A stream may have no end. Bytes of a channel may be anything.
  if (type !== 'application/json' || !(type in content)) return;
  const wrong = isValid(`${pointer}/content/application~1json/schema`, await response.clone().json());
  if (wrong !== undefined) throw new Error(`${about}: ${wrong}`);
}
