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
  // Two paths may be the same resource: what one of them answers, the other answers as well.
  const unseen = documented
    .filter((names) => !names.some((answer) => seen.has(answer)))
    .map(([name = '']) => name);
  return { seen: documented.length - unseen.length, unseen };
}

/**
 * Returns the names of each answer with a status of its own, such as `GET /channels 200`: one name for each path of the resource.
 * `default` stands for the other statuses.
 */
function answersIn(document: unknown): readonly (readonly string[])[] {
  const { paths, components } = Object(document);
  const resources = Map.groupBy(Object.entries(Object(paths)), ([path, item]) =>
    String(Object(item).$ref ?? path),
  );
  return [...resources].flatMap(([key, items]) => {
    const shared = Object(components.pathItems)[key.split('/').at(-1) ?? ''];
    const operations = Object(key.startsWith('#') ? shared : items[0]?.[1]);
    return METHODS.filter((method) => method in operations).flatMap((method) =>
      Object.keys(Object(operations[method]).responses)
        .filter((status) => status !== 'default')
        .map((status) => items.map(([path]) => `${method.toUpperCase()} ${path} ${status}`)),
    );
  });
}
