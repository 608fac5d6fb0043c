/**
 * `npm run bench -- race`: the race of the console for a minute, in a real browser, as a table.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openConsole, type RaceRow, readRace } from './open-console.ts';

const SECONDS = 60;
/** The time in which the last messages arrive, in milliseconds: a short poll may be a second behind. */
const SETTLE_MS = 5_000;
const FIGURES = [
  'p50',
  'p95',
  'Requests',
  'Empty answers',
  'Received',
  'AWS calls',
  '$ a million',
  '$ a client-day',
  'Arrived',
  'Lost',
  'Doubled',
];
const NAME_WIDTH = 20;

type Rows = Readonly<Record<string, RaceRow>>;

/** A webhook is requested by the hub: its attempts are its requests. */
const withRequests = (rows: Rows): Rows =>
  Object.fromEntries(
    Object.entries(rows).map(([track, row]) => [track, { Requests: row.Attempts ?? '', ...row }]),
  );

/** Runs the race with ten messages a second, which is what the page begins with, and prints its figures. */
export async function raceTable(print: (line: string) => void): Promise<void> {
  print(`race: ten messages a second for ${SECONDS} s, to all five transports in one page`);
  const { page, close } = await openConsole({ viewport: { width: 1_280, height: 1_000 } });
  try {
    await page.getByRole('button', { name: 'Start the stream' }).click();
    await sleep(SECONDS * 1_000);
    await page.getByRole('button', { name: 'Stop' }).click();
    await sleep(SETTLE_MS);
    const rows = withRequests(await readRace(page));
    print(await page.locator('.sent').innerText());
    const width = (name: string): number =>
      Math.max(name.length, ...Object.values(rows).map((row) => row[name]?.length ?? 0)) + 2;
    print(' '.repeat(NAME_WIDTH) + FIGURES.map((name) => name.padStart(width(name))).join(''));
    for (const [track, row] of Object.entries(rows))
      print(
        track.padEnd(NAME_WIDTH) + FIGURES.map((name) => (row[name] ?? '').padStart(width(name))).join(''),
      );
  } finally {
    await close();
  }
}
