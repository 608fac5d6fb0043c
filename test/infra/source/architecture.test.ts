/**
 * docs/architecture.md describes the code as it is: the files that an event passes, the paths it names, and the rooms.
 * @module
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { templatesOf } from '../template/synthesized.ts';
import { importsOf, ROOT } from './imports.ts';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const page = read('docs/architecture.md');

/** Returns the rows of the table in a section, without the header. */
function tableOf(heading: string): string[][] {
  const [, text = ''] = page.split(`\n## ${heading}\n`);
  const [section = ''] = text.split('\n## ', 1);
  const [, , ...rows] = section.split('\n').filter((line) => line.startsWith('| ') || line.startsWith('|-'));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const codeIn = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

const imports = (file: string, target: string): boolean =>
  importsOf(file).some((one) => one.target === target);
const calls = (file: string, target: string): boolean =>
  importsOf(file).some((one) => one.target === target && !one.isTypeOnly);

describe('Follow one event', () => {
  const steps = tableOf('Follow one event').map(([, file = '', reached = '']) => ({
    file: codeIn(file)[0] ?? '',
    reached: reached.replace(/,? `.*/, ''),
    by: codeIn(reached)[0] ?? '',
  }));
  const files = steps.map(({ file }) => file);

  test('has at most twelve files, from the publish handler to the post', () => {
    expect(files.length).toBeGreaterThan(5);
    expect(files.length).toBeLessThanOrEqual(12);
    expect([files[0], files.at(-1)]).toEqual(['lambda/publish.ts', 'lambda/aws/sockets/socket-poster.ts']);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  test.each(steps.map((step, at) => ({ ...step, earlier: files.slice(0, at) })))(
    '$file is reached by $reached $by',
    ({ file, reached, by, earlier }) => {
      if (reached === 'call') {
        expect(earlier.filter((caller) => calls(caller, file))).not.toEqual([]);
      } else if (reached === 'port') {
        expect(imports(file, by)).toBe(true);
        expect(earlier.filter((caller) => imports(caller, by))).not.toEqual([]);
      } else {
        expect(['API Gateway', 'topic and queue']).toContain(reached);
        const [, name] = /^lambda\/(\w+)\.ts$/.exec(file) ?? [];
        expect(read(by)).toContain(`handler: '${name}'`);
      }
    },
  );

  test('the queue of the push function gets the hints of the topic', () => {
    const { hub } = templatesOf();
    const queueIds = Object.values(hub.findResources('AWS::SNS::Subscription')).map(
      ({ Properties }) => Properties?.Endpoint['Fn::GetAtt'][0],
    );
    const mappings = Object.values(hub.findResources('AWS::Lambda::EventSourceMapping')).map(
      ({ Properties }) => Properties ?? {},
    );
    const functions = mappings
      .filter(({ EventSourceArn }) => queueIds.includes(EventSourceArn['Fn::GetAtt'][0]))
      .map(({ FunctionName }) => FunctionName.Ref);
    expect(functions).toContainEqual(expect.stringMatching(/^Push/));
  });
});

test('every path that the page names exists', () => {
  const paths = codeIn(page).filter((code) => /^(lambda|lib|local|protocol|test)\/[\w./-]+$/.test(code));
  expect(paths.length).toBeGreaterThan(40);
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

describe('Rooms', () => {
  const rooms = tableOf('Rooms').map(([room = '', , may = '']) => ({
    room: codeIn(room)[0] ?? '',
    may: codeIn(may),
    isAnyPackage: may.includes('any package'),
  }));
  const sources = globSync('{bin,lib,lambda,protocol,local,scripts,bench,client,examples}/**/*.{ts,mjs}', {
    cwd: ROOT,
  });

  /** Returns the room of a file: the longest that fits. `lambda/*.ts` has only files. */
  const roomOf = (file: string): string | undefined =>
    rooms
      .map(({ room }) => room)
      .filter((room) =>
        room.endsWith('/*.ts')
          ? dirname(file) === dirname(room)
          : room.endsWith('/')
            ? file.startsWith(room)
            : file === room,
      )
      .sort((a, b) => b.length - a.length)[0];

  function isAllowed(target: string, may: readonly string[], isAnyPackage: boolean): boolean {
    const isOurs = !target.startsWith('node_modules/') && existsSync(join(ROOT, target));
    if (isOurs) return may.includes(target) || may.includes(roomOf(target) ?? '');
    if (isAnyPackage || may.includes(target)) return true;
    return may.some((name) =>
      name.endsWith('*') || name.endsWith(':')
        ? target.startsWith(name.replace('*', ''))
        : target.startsWith(`${name}/`),
    );
  }

  test.each(rooms)('$room imports only what its row says', ({ room, may, isAnyPackage }) => {
    const files = sources.filter((file) => roomOf(file) === room);
    expect(files).not.toEqual([]);
    const unexpected = files.flatMap((file) =>
      importsOf(file)
        .filter(({ target }) => !isAllowed(target, [room, ...may], isAnyPackage))
        .map(({ target }) => ({ file, target })),
    );
    expect(unexpected).toEqual([]);
  });

  test.each(rooms)('$room uses everything that its row allows', ({ room, may, isAnyPackage }) => {
    const files = sources.filter((file) => roomOf(file) === room);
    const targets = files.flatMap((file) => importsOf(file).map(({ target }) => target));
    // `protocol/` is the language of all rooms, so each may use it.
    const unused = may
      .filter((name) => name !== 'protocol/')
      .filter((name) => !targets.some((target) => isAllowed(target, [name], false)));
    expect(unused).toEqual([]);
    expect(isAnyPackage && targets.every((target) => isAllowed(target, [room, ...may], false))).toBe(false);
  });

  test('every source has a room, and so has every folder of house-rules.test.ts', () => {
    expect(sources.filter((file) => roomOf(file) === undefined)).toEqual([]);
    const [, table = ''] = read('test/infra/source/house-rules.test.ts').split('const ROOMS');
    const [own = ''] = table.split('\n};', 1);
    const names = [...own.matchAll(/^ {2}(?:'([^']+)'|(\w+)): \{/gm)].map(
      ([, quoted, plain]) => quoted ?? plain ?? '',
    );
    const folders = names
      .map((name) => name.split(' ', 1)[0] ?? '')
      .filter((name) => !name.startsWith('test') && existsSync(join(ROOT, name)));
    expect(folders.length).toBeGreaterThan(10);
    const known = rooms.map(({ room }) => room.replace(/\/$|\/\*\.ts$/, ''));
    expect(folders.filter((folder) => !known.includes(folder))).toEqual([]);
    expect(known.filter((folder) => !folders.includes(folder) && folder !== 'bench/fanout')).toEqual([]);
  });
});
