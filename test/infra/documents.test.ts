/**
 * What the documents list is what there is.
 * @module
 */
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { ERRORS } from '../../protocol/errors.ts';
import {
  MAX_CHANNEL_LENGTH,
  MAX_CONTENT_TYPE_LENGTH,
  MAX_IDEMPOTENCY_KEY_LENGTH,
  MAX_MESSAGE_BYTES,
  MAX_MESSAGES_PER_REQUEST,
  MAX_PRODUCER_ID_LENGTH,
  MAX_PRODUCERS,
  MAX_REQUEST_BYTES,
  MAX_SEGMENT_LENGTH,
  MAX_SEGMENTS,
  MAX_STREAM_SEQ_LENGTH,
  MAX_TTL_SECONDS,
} from '../../protocol/limits.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(resolve(ROOT, file), 'utf8');

test('PROTOCOL.md §9 lists exactly the codes, their status and their meaning', () => {
  const rows = [...read('PROTOCOL.md').matchAll(/^\| `([a-z_]+)` \| (\d{3}) \| (.+) \|$/gm)];
  const documented = rows.map(([, code, status, meaning]) => ({ code, status: Number(status), meaning }));
  expect(documented).toEqual(
    Object.entries(ERRORS).map(([code, { status, meaning }]) => ({ code, status, meaning })),
  );
});

test('PROTOCOL.md §8 says the limits that hold', () => {
  const protocol = read('PROTOCOL.md');
  const whole = (number: number) => number.toLocaleString('en');
  for (const row of [
    `| message | ${MAX_MESSAGE_BYTES / 1_024} KiB |`,
    `| request body | ${MAX_REQUEST_BYTES / 1_024} KiB |`,
    `| messages in one request | ${whole(MAX_MESSAGES_PER_REQUEST)} |`,
    `| channel name | ${MAX_CHANNEL_LENGTH} characters, ${MAX_SEGMENTS} segments of ${MAX_SEGMENT_LENGTH} |`,
    `| content type, \`Stream-Seq\`, \`Idempotency-Key\` | ${MAX_CONTENT_TYPE_LENGTH} characters |`,
    `| \`Producer-Id\` | ${MAX_PRODUCER_ID_LENGTH} characters; about ${MAX_PRODUCERS} to a channel |`,
    `| \`Stream-TTL\` | ${MAX_TTL_SECONDS / 365 / 86_400} years |`,
  ]) {
    expect(protocol).toContain(row);
  }
  expect([MAX_STREAM_SEQ_LENGTH, MAX_IDEMPOTENCY_KEY_LENGTH]).toEqual([
    MAX_CONTENT_TYPE_LENGTH,
    MAX_CONTENT_TYPE_LENGTH,
  ]);
});

test('every section of PROTOCOL.md that is cited exists', () => {
  const sections = new Set(
    [...read('PROTOCOL.md').matchAll(/^#{2,3} (\d+(?:\.\d+)?) /gm)].map(([, number]) => number),
  );
  const files = globSync(['{lib,lambda,protocol,scripts,test}/**/*.{ts,md}', '*.md', 'docs/**/*.md'], {
    cwd: ROOT,
  });
  const cited = files.flatMap((file) => citationsIn(file, read(file)).map((section) => ({ file, section })));
  expect(cited.length).toBeGreaterThan(30);
  expect(cited.filter(({ section }) => !sections.has(section))).toEqual([]);
});

/** The sections of our own protocol that a file cites: "PROTOCOL.md §4.2, §5", or §n within PROTOCOL.md itself. */
function citationsIn(file: string, text: string): string[] {
  const own = text.replace(/(?:Durable Streams|DS|RFC \d+|Protocol) §[\d.]+\d|DS §[\d.]+\d/g, '');
  const places =
    file === 'PROTOCOL.md'
      ? [own]
      : [...own.matchAll(/PROTOCOL\.md((?:,? (?:and |to )?§[\d.]*\d)+)/g)].map(([all]) => all);
  return places.flatMap((place) =>
    [...place.matchAll(/§(\d+(?:\.\d+)?)/g)].map(([, section]) => section ?? ''),
  );
}

test('the README says why every dependency is there', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const readme = read('README.md');
  const unexplained = Object.keys({ ...dependencies, ...devDependencies }).filter(
    (name) => !readme.includes(`\`${name}\``),
  );
  expect(unexplained).toEqual([]);
});
