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
import { photographExamples } from './example/example-pictures.ts';

const HELP = `usage: npm run pictures

Starts a hub and a browser, runs the race of the console for a minute, plays the examples, and writes docs/race.png, chat.png,
stocks.png, game.png and assistant.png.`;

const DOCS = fileURLToPath(new URL('../docs', import.meta.url));
const fileOf = (name: string): string => join(DOCS, `${name}.png`);
/** Time in milliseconds after which the charts show no start of a process any more: they have the last minute. */
const RACE_MS = 70_000;
/** Bytes. A picture must not make a page slow to open. */
const MAX_BYTES = 200_000;

await command(HELP, {}, async () => {
  await photographRace(fileOf('race'));
  await photographExamples(fileOf);
  for (const name of ['race', 'chat', 'stocks', 'game', 'assistant']) {
    const { size } = statSync(fileOf(name));
    if (size > MAX_BYTES) throw new Error(`${fileOf(name)} has ${size} bytes, ${MAX_BYTES} are allowed`);
    process.stdout.write(`${fileOf(name)}: ${size} bytes\n`);
  }
});

async function photographRace(file: string): Promise<void> {
  process.stdout.write('starting a hub and a browser …\n');
  const { page, close } = await openConsole({
    viewport: { width: 1_200, height: 1_222 },
    colorScheme: 'light',
  });
  try {
    await page.getByRole('button', { name: 'Start the stream' }).click();
    process.stdout.write(`running the race for ${RACE_MS / 1_000} s …\n`);
    await sleep(RACE_MS);
    await page.screenshot({ path: file });
  } finally {
    await close();
  }
}
