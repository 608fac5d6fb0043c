/**
 * What the documents list is what there is.
 * @module
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { ERRORS } from '../../protocol/errors.ts';
import { MAX_MESSAGE_BYTES, MAX_MESSAGES_PER_REQUEST, MAX_REQUEST_BYTES } from '../../protocol/limits.ts';

const read = (file: string): string => readFileSync(resolve(import.meta.dirname, '../..', file), 'utf8');

test('PROTOCOL.md §9 lists exactly the codes, their status and their meaning', () => {
  const rows = [...read('PROTOCOL.md').matchAll(/^\| `([a-z_]+)` \| (\d{3}) \| (.+) \|$/gm)];
  const documented = rows.map(([, code, status, meaning]) => ({ code, status: Number(status), meaning }));
  expect(documented).toEqual(
    Object.entries(ERRORS).map(([code, { status, meaning }]) => ({ code, status, meaning })),
  );
});

test('PROTOCOL.md §8 says the limits that hold', () => {
  const protocol = read('PROTOCOL.md');
  expect(protocol).toContain(`| message | ${MAX_MESSAGE_BYTES / 1_024} KiB |`);
  expect(protocol).toContain(`| request body | ${MAX_REQUEST_BYTES / 1_024} KiB |`);
  expect(protocol).toContain(
    `| messages in one request | ${MAX_MESSAGES_PER_REQUEST.toLocaleString('en')} |`,
  );
});

test('every section that code cites exists', () => {
  const sections = [...read('PROTOCOL.md').matchAll(/^#{2,3} (\d+(?:\.\d+)?) /gm)].map(
    ([, number]) => number,
  );
  expect(sections.slice(0, 3)).toEqual(['1', '2', '3']);
  expect(sections).toContain('4.2');
});

test('the README says why every dependency is there', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const readme = read('README.md');
  const unexplained = Object.keys({ ...dependencies, ...devDependencies }).filter(
    (name) => !readme.includes(`\`${name}\``),
  );
  expect(unexplained).toEqual([]);
});
