/**
 * The assistant example: an answer that survives a reload of its page, by the unmodified transport of the AI SDK.
 * @module
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { examineEverywhere, openBrowser } from '../../support/console/browser.ts';
import { type RunningExample, startExample, visit } from '../../support/examples/application.ts';

const END = 'This is the end.';
let browser: Browser;
let assistant: RunningExample;
beforeAll(async () => {
  [browser, assistant] = await Promise.all([openBrowser(), startExample('assistant')]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), assistant?.stop()]);
});

const textsIn = (page: Page): Promise<string[]> => page.locator('.text').allInnerTexts();

async function ask(page: Page, question: string): Promise<void> {
  await page.getByLabel('Question').fill(question);
  await page.getByRole('button', { name: 'Ask' }).click();
}

test('an answer goes on over a reload, is written once, and is there afterwards', async () => {
  const { page, complaints } = await visit(browser, assistant);
  await ask(page, 'Will you be here after a reload?');
  await expect.poll(async () => (await textsIn(page))[1] ?? '').toContain('scripted model');
  const seen = (await textsIn(page))[1] ?? '';
  expect(seen).not.toContain(END);
  await page.reload();
  await expect.poll(async () => (await textsIn(page))[1] ?? '').toContain(seen);
  await expect.poll(async () => (await textsIn(page))[1] ?? '').toContain(END);
  const whole = await textsIn(page);
  expect(whole.length).toBe(2);
  expect(whole[1]?.split('I am a scripted model').length).toBe(2);
  await expect.poll(async () => await page.getByRole('status').innerText()).toBe('Ready');
  await examineEverywhere(page, 'example-assistant');

  await page.reload();
  await expect.poll(async () => await textsIn(page)).toEqual(whole);
  await ask(page, 'And again?');
  await expect.poll(async () => (await textsIn(page))[3] ?? '').toContain('scripted model');
  expect((await textsIn(page)).slice(0, 2)).toEqual(whole);
  expect(complaints).toEqual([]);
  await page.close();
});

test('a conversation is for its visitor alone, and mistakes get one sentence', async () => {
  const { page } = await visit(browser, assistant);
  await expect.poll(async () => await page.getByRole('status').innerText()).toBe('Ready');
  expect(await textsIn(page)).toEqual([]);
  await page.close();
  const post = async (body: string) =>
    await fetch(`${assistant.url}chat`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/json' },
    });
  const stranger = await post('{}');
  expect([stranger.status, await stranger.text()]).toEqual([401, 'Sign in first.']);
  expect((await fetch(`${assistant.url}answers/demo/assistant/00-00`)).status).toBe(403);
});
