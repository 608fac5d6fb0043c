/**
 * The output of a busy hub: counts, and each kind of line once.
 * @module
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type HubLog, hubLog } from '../../scripts/hub/hub-log.ts';
import { callerAt } from '../support/wire/wire.ts';
import { run, temporaryDirectory } from './support.ts';

const record = (name: string, sum: number) => ({
  name,
  sum,
  namespace: 'Tidings',
  unit: 'Count',
  dimensions: {},
  count: 1,
  most: 1,
});
const lineOf = (level: string, message: string, more: object = {}): string =>
  `[Publish/Handler/Function] ${JSON.stringify({ level, message, timestamp: crypto.randomUUID(), ...more })}`;
const refused = (path = '/channels/a') =>
  lineOf('WARN', 'request refused', { path, code: 'unavailable', reason: 'the store is busy; retry' });

describe('lines of functions and of the stack', () => {
  let said: string[] = [];
  let now = 0;
  let log: HubLog;
  let verbose: HubLog;
  beforeEach(() => {
    said = [];
    now = 0;
    log = hubLog(
      (line) => said.push(line),
      false,
      () => now,
    );
    verbose = hubLog(
      (line) => said.push(line),
      true,
      () => now,
    );
  });

  test('a warning is printed once a minute for each kind, and the others are counted', () => {
    const end = log.watch({ metrics: () => [] });
    const first = refused();
    log.take(first);
    for (let n = 0; n < 11_000; n++) log.take(refused(`/channels/${n}`));
    const other = lineOf('WARN', 'delivery given up', { reason: 'timeout' });
    log.take(other);
    end();
    expect(said).toEqual([first, other, '11,000 more lines like those above (--verbose prints all)']);
    now = 60_000;
    log.take(first);
    expect(said.at(-1)).toBe(first);
  });

  test('lines of the stack that differ only in ids and numbers are of one kind', () => {
    log.take('[Push] throttled: its 50 processes are all busy');
    log.take('[Push] throttled: its 49 processes are all busy');
    log.take('[Read] throttled: its 50 processes are all busy');
    expect(said).toHaveLength(2);
  });

  test('every defect is printed in full, and with --verbose every line', () => {
    const defects = [
      lineOf('ERROR', 'request failed', { error: { message: 'x', stack: 'a\nb' } }),
      '[Publish] 1234 Invoke Error {"errorType":"TypeError"}',
      '[gateway] POST /x failed with Runtime.ExitError: killed',
    ];
    for (const line of [...defects, ...defects]) log.take(line);
    expect(said).toEqual([...defects, ...defects]);
    said = [];
    for (let n = 0; n < 3; n++) verbose.take(refused());
    expect(said).toHaveLength(3);
  });

  test('counts are printed while something happens: only new ones, of all functions together', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let records = [
      record('Published', 12_000),
      record('Delivered', 7),
      record('Delivered', 3),
      record('PushLag', 99),
    ];
    const end = log.watch({ metrics: () => records });
    vi.advanceTimersByTime(5_000);
    expect(said).toEqual(['12,000 published, 10 delivered']);
    vi.advanceTimersByTime(60_000);
    expect(said).toHaveLength(1);
    records = [record('Published', 12_340), record('Delivered', 10), record('RefusedRequests', 3)];
    vi.advanceTimersByTime(5_000);
    expect(said[1]).toBe('340 published, 3 refused');
    records = [...records, record('Defects', 1)];
    end();
    vi.advanceTimersByTime(60_000);
    expect(said.slice(2)).toEqual(['1 defects']);
  });
});

test('npm start counts what was published and refused, and says no more', async () => {
  const directory = temporaryDirectory();
  onTestFinished(() => directory.remove());
  const hub = run(directory.path, 'scripts/start.ts', '--port', '0');
  await expect.poll(() => hub.output(), { timeout: 120_000, interval: 50 }).toContain('is ready');
  const { url, token } = JSON.parse(readFileSync(join(directory.path, '.tidings/local.json'), 'utf8'));
  const caller = callerAt(url, { Authorization: `Bearer ${token}` });
  const before = hub.output().length;
  for (let n = 0; n < 30; n++) expect((await caller.publish('busy/1', n)).status).toBe(204);
  expect((await caller.request('/channels/busy/1?offset=x')).status).toBe(400);
  hub.process.kill('SIGINT');
  expect(await hub.ended).toBe(0);
  const lines = hub.output().slice(before).trim().split('\n');
  const counts = lines.filter((line) => /^\d/.test(line)).join(' ');
  const published = [...counts.matchAll(/(\d+) published/g)].reduce((sum, [, more]) => sum + Number(more), 0);
  expect([published, lines.join('\n')]).toEqual([30, expect.stringMatching(/\d+ refused/)]);
  expect(lines.filter((line) => !/^\d|^stopping/.test(line))).toEqual([]);
});
