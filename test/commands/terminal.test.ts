/**
 * What commands write on a terminal: text of other people, tables, waiting, and the status line.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { statusOf } from '../../scripts/hub/hub-log.ts';
import { jsonLine, printable, printableLines } from '../../scripts/terminal/printable.ts';
import { statusLineOn } from '../../scripts/terminal/status-line.ts';
import { cut, tableOf } from '../../scripts/terminal/table.ts';
import { waitFor } from '../../scripts/terminal/waiting.ts';

const HOSTILE = '\u001b[2J\u009b31m\r\n\u202etxt.exe\u2066\u200b\ufeff\u2028\u{e0041}\ud800\u0007';
/** Goes to the beginning of a line, and removes what is there. */
const CLEAR = '\r\u001b[2K';
/** What a terminal acts on, or does not show. */
const RAW = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe('text of other people', () => {
  test('has no character that a terminal acts on, and stays the same JSON', () => {
    expect(printable(HOSTILE)).not.toMatch(RAW);
    expect(printable(HOSTILE)).toContain('\\u001b[2J\\u009b31m\\u000d\\u000a\\u202etxt.exe');
    const line = jsonLine({ [HOSTILE]: HOSTILE });
    expect(line).not.toMatch(RAW);
    expect(JSON.parse(line)).toEqual({ [HOSTILE]: HOSTILE });
  });

  test('keeps its lines where lines are meant, and letters of every language', () => {
    expect(printableLines('a\n\tb\u001b')).toBe('a\n\tb\\u001b');
    expect(printable('Grüße, 漢字, עברית, 🎉')).toBe('Grüße, 漢字, עברית, 🎉');
  });
});

describe('a table', () => {
  const columns = [{ head: 'ID' }, { head: 'NAME', isCut: true }, { head: 'STATE' }];

  test('fits 100 columns: long names are cut, and ids are not', () => {
    const id = 'x'.repeat(40);
    const lines = tableOf(columns, [
      [id, 'n'.repeat(300), 'open'],
      ['1', 'short', 'closed'],
    ]);
    expect(lines.every((line) => line.length <= 100)).toBe(true);
    expect(lines[1]).toMatch(/^x{40} {2}n+… {2}open$/);
    expect(lines[2]).toMatch(/^1 +short +closed$/);
    expect(new Set(lines.map((line) => line.search(/STATE|open|closed/)))).toEqual(new Set([94]));
  });

  test('is cut by columns, of which some characters take two', () => {
    expect(cut('漢字漢字', 8)).toBe('漢字漢字');
    expect(cut('漢字漢字', 6)).toBe('漢字…');
    expect(tableOf(columns, [['\u001b[2J', 'a', 'b']])[1]).toContain('\\u001b[2J');
  });
});

describe('a command that waits', () => {
  let said = '';
  beforeEach(() => {
    said = '';
    vi.useFakeTimers();
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      said += String(text);
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  const soon = (ms: number): Promise<string> => new Promise((resolve) => setTimeout(resolve, ms, 'done'));

  test('says within two seconds what it waits for and how far it is, and nothing if it is quick', async () => {
    let done = 3;
    const quick = waitFor('reading', soon(1_000));
    await vi.advanceTimersByTimeAsync(1_000);
    expect([await quick, said]).toEqual(['done', '']);
    const slow = waitFor('reading', soon(20_000), { howFar: () => `${done} of 9`, isShared: true });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(said).toBe('reading … 2 s, 3 of 9\n');
    done = 7;
    await vi.advanceTimersByTimeAsync(18_000);
    expect(await slow).toBe('done');
    expect(said.split('\n').at(-2)).toBe('reading … 17 s, 7 of 9');
    await vi.advanceTimersByTimeAsync(300_000);
    expect(said.split('\n')).toHaveLength(4);
  });

  test('on a terminal says it in one line, which is gone at the end, also after a failure', async () => {
    const { isTTY } = process.stderr;
    process.stderr.isTTY = true;
    const failing = waitFor(
      'reading',
      soon(4_000).then(() => Promise.reject(new Error('no'))),
    ).catch(String);
    await vi.advanceTimersByTimeAsync(4_000);
    process.stderr.isTTY = isTTY;
    expect(await failing).toBe('Error: no');
    expect(said).not.toContain('\n');
    expect(said).toContain('reading … 3 s');
    expect(said.endsWith(CLEAR)).toBe(true);
  });

  test('says one thing at a time: the outer work', async () => {
    const inner = async () => await waitFor('inner', soon(5_000));
    const outer = waitFor('outer', soon(1).then(inner));
    await vi.advanceTimersByTimeAsync(5_001);
    expect(await outer).toBe('done');
    expect(said).toMatch(/^outer/);
    expect(said).not.toContain('inner');
  });
});

describe('the status line', () => {
  /** Returns the rows that a terminal would show. It knows CR, LF and "erase the line". */
  function rowsOf(written: string): string[] {
    const rows = [''];
    for (const part of written.replaceAll(CLEAR, '\r').split(/([\r\n])/)) {
      if (part === '\n') rows.push('');
      else if (part === '\r') rows[rows.length - 1] = '';
      else rows[rows.length - 1] += part;
    }
    return rows;
  }

  const on = (isTTY: boolean, columns = 40) => {
    let written = '';
    const write = (text: string) => {
      written += text;
    };
    return { line: statusLineOn({ isTTY, columns, write }), written: () => written };
  };

  test('stays below the lines of a terminal, changes in place, never wraps, and is gone at the end', () => {
    const { line, written } = on(true);
    line.say('ready');
    line.show('1 published');
    line.show('2 published');
    line.say('a warning');
    expect(rowsOf(written())).toEqual(['ready', 'a warning', '2 published']);
    line.show('3 published and more than the terminal has room for');
    expect(rowsOf(written()).at(-1)).toBe('3 published and more than the terminal…');
    line.end();
    line.say('stopping');
    expect(rowsOf(written())).toEqual(['ready', 'a warning', 'stopping', '']);
  });

  test('does not exist in a pipe', () => {
    const { line, written } = on(false);
    line.say('ready');
    line.show('1 published');
    line.say('a warning');
    line.end();
    expect(written()).toBe('ready\na warning\n');
  });

  test('has what was published and delivered, who is connected, errors, and other troubles if there are any', () => {
    expect(statusOf(new Map(), 0)).toBe('0 published · 0 delivered · 0 connected · 0 errors');
    const sums = new Map([
      ['Published', 12_000],
      ['Delivered', 36_000],
      ['PushLag', 5],
      ['Defects', 1],
      ['RefusedRequests', 3],
    ]);
    expect(statusOf(sums, 7)).toBe('12,000 published · 36,000 delivered · 7 connected · 1 error · 3 refused');
  });
});
