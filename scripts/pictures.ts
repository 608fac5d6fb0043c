/**
 * `npm run pictures`: makes the pictures of the documents, from a hub and a real browser.
 * @module
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { command } from './cli.ts';
import { openConsole } from './console/open-console.ts';

const HELP = `usage: npm run pictures

Starts a hub and a browser, runs the race of the console for a minute, and writes docs/race.png.`;

const FILE = join(fileURLToPath(new URL('..', import.meta.url)), 'docs/race.png');
/** Time in milliseconds after which the charts show no start of a process any more: they have the last minute. */
const RACE_MS = 70_000;
/** Bytes. A picture must not make a page slow to open. */
const MAX_BYTES = 200_000;

await command(HELP, {}, async () => {
  process.stdout.write('starting a hub and a browser …\n');
  const { page, close } = await openConsole({
    viewport: { width: 1_200, height: 1_222 },
    colorScheme: 'light',
  });
  try {
    await page.getByRole('button', { name: 'Start the stream' }).click();
    process.stdout.write(`running the race for ${RACE_MS / 1_000} s …\n`);
    await sleep(RACE_MS);
    await page.screenshot({ path: FILE });
  } finally {
    await close();
  }
  const { size } = statSync(FILE);
  if (size > MAX_BYTES) throw new Error(`${FILE} has ${size} bytes, ${MAX_BYTES} are allowed`);
  process.stdout.write(`${FILE}: ${size} bytes\n`);
});
