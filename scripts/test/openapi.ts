/**
 * The answers that docs/openapi.yaml documents, compared with those that the wire tests have seen.
 * @module
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';

const DIR = resolve('.tidings/openapi');
const FILE = resolve('docs/openapi.yaml');
const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'];

/** Returns the number of documented answers that a test has seen, and those that none has seen. */
export function unseenAnswers(): { readonly seen: number; readonly unseen: readonly string[] } {
  const files = existsSync(DIR) ? globSync('*.txt', { cwd: DIR }) : [];
  const seen = new Set(files.flatMap((file) => readFileSync(resolve(DIR, file), 'utf8').split('\n')));
  const documented = answersIn(parse(readFileSync(FILE, 'utf8')));
  const unseen = documented.filter((answer) => !seen.has(answer));
  return { seen: documented.length - unseen.length, unseen };
}

/** Returns `GET /channels 200` for each answer with a status of its own. `default` stands for the others. */
function answersIn(document: unknown): readonly string[] {
  const { paths, components } = Object(document);
  return Object.entries(Object(paths)).flatMap(([path, item]) => {
    const { $ref } = Object(item);
    const operations =
      $ref === undefined ? Object(item) : Object(components.pathItems)[String($ref).split('/').at(-1) ?? ''];
    return METHODS.filter((method) => method in operations).flatMap((method) =>
      Object.keys(Object(operations[method]).responses)
        .filter((status) => status !== 'default')
        .map((status) => `${method.toUpperCase()} ${path} ${status}`),
    );
  });
}
