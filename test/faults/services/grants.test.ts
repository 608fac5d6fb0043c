/**
 * A grant that the template lacks fails here as it would fail on AWS.
 * @module
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startLocalStack } from '../../../local/stack.ts';
import { synth } from '../../../local/synth.ts';
import { callerAt } from '../../support/wire/wire.ts';

const assembly = mkdtempSync(join(tmpdir(), 'tidings-grants-'));
const lines: string[] = [];

beforeAll(async () => {
  await synth({
    projectDir: resolve('.'),
    outdir: assembly,
    context: { 'tidings:anonymous': { '*': ['publish', 'subscribe'] } },
  });
  const file = resolve(assembly, 'tidings-dev-hub.template.json');
  const template = readFileSync(file, 'utf8');
  const without = template.replace(/"dynamodb:PutItem",?\s*/, '');
  expect(without).not.toBe(template);
  writeFileSync(file, without);
});
afterAll(() => rmSync(assembly, { recursive: true, force: true }));

test('a publish without dynamodb:PutItem fails, and its log has the message of AWS', async () => {
  const stack = await startLocalStack({ assembly, log: (line) => lines.push(line) });
  try {
    const hub = callerAt(stack.url);
    const body = { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: '[1]' };
    const response = await hub.request('/channels/x', body);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('dynamodb');
    const denied =
      /is not authorized to perform: dynamodb:PutItem on resource: arn:aws:dynamodb:[^ ]+ because no identity-based policy allows the dynamodb:PutItem action/;
    await expect.poll(() => lines.some((line) => denied.test(line))).toBe(true);
  } finally {
    await stack.close();
  }
});
