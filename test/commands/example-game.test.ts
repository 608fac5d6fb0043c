/**
 * `npm run example -- game`: eight players, of which bots are those that nobody plays, and the measured round trip. It has a hub of its
 * own, because 160 positions a second would slow down all other tests of a hub that serves one request at a time in each process.
 * @module
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { examineEverywhere, openBrowser } from '../support/console/browser.ts';
import { visit } from '../support/examples/application.ts';
import { followPlayers } from '../support/examples/positions.ts';
import { type Caller, callerAt } from '../support/wire/wire.ts';
import { type Command, runIn, temporaryDirectory } from './support.ts';

const READY = { timeout: 120_000, interval: 50 };
const directory = temporaryDirectory();
const { path: cwd } = directory;
let browser: Browser;
let game: Command;
let address = '';
beforeAll(async () => {
  game = runIn({ cwd, env: { ...process.env, PORT: '0' } }, 'scripts/example.ts', 'game');
  browser = await openBrowser();
  await vi.waitFor(() => expect(game.output()).toContain('is ready at'), READY);
  [, address = ''] = /is ready at (http:\S+)/.exec(game.output()) ?? [];
});
afterAll(async () => {
  game.process.kill('SIGTERM');
  await Promise.all([browser?.close(), game.ended]);
  directory.remove();
});

const figure = async (page: Page, label: string): Promise<string> =>
  await page.locator('.figures > div', { hasText: label }).locator('dd').innerText();
const scoresIn = (page: Page): Promise<string[]> => page.locator('.columns li').allInnerTexts();

/** The status if there is no such channel, else what is stored on it. */
async function storedPositions(hub: Caller): Promise<number | string> {
  const response = await hub.read('demo/game/positions');
  return response.status === 200 ? await response.text() : response.status;
}

test('a person plays with seven bots, sees the round trip, and moves by the arrow keys; scores are stored, and positions are not', async () => {
  const { url, token } = JSON.parse(readFileSync(join(cwd, '.tidings/local.json'), 'utf8'));
  const hub = callerAt(url, { Authorization: `Bearer ${token}` });
  const watcher = followPlayers(url, token);
  const { page: ada, complaints } = await visit(browser, { url: address }, 'Ada');
  await expect.poll(async () => await figure(ada, 'Players')).toBe('8');
  await expect.poll(async () => await figure(ada, 'median')).toMatch(/^\d+ ms$/);
  await expect.poll(async () => (await scoresIn(ada)).join()).toContain('Bot');

  const mine = (): number | undefined =>
    [...watcher.places].find(([player]) => player.startsWith('Ada~'))?.[1];
  await ada.keyboard.down('ArrowLeft');
  await expect.poll(mine).toBe(0);
  await ada.keyboard.up('ArrowLeft');
  await ada.keyboard.down('ArrowRight');
  await expect.poll(mine).toBeGreaterThan(50);
  await ada.keyboard.up('ArrowRight');
  const bots = (): string[] => [...watcher.places.keys()].filter((player) => player.endsWith('~bot'));
  expect(bots().length).toBeGreaterThanOrEqual(7);
  await examineEverywhere(ada, 'example-game');
  expect(complaints).toEqual([]);

  const { messages: board } = await hub.readAll('demo/game/board', 'latest');
  expect(board).toContainEqual(expect.objectContaining({ player: 'referee', key: 'coin' }));
  expect(board).toContainEqual(
    expect.objectContaining({
      player: 'referee',
      key: expect.stringMatching(/~bot$/),
      score: expect.any(Number),
    }),
  );
  expect([404, '[]']).toContainEqual(await storedPositions(hub));

  // A page that is closed is no player any more, and a bot takes its place.
  watcher.places.clear();
  await expect.poll(() => bots().length).toBe(7);
  await ada.close();
  await expect.poll(() => bots().length).toBe(8);
  watcher.close();
});
