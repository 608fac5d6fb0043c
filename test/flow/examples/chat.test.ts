/**
 * The chat example, as people use it in two browsers.
 * @module
 */
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { examineEverywhere, openBrowser } from '../../support/console/browser.ts';
import { type RunningExample, startExample, visit } from '../../support/examples/application.ts';
import { callerAt, token } from '../../support/wire/wire.ts';

const CHANNELS = { 'demo/chat/*': ['publish', 'subscribe'] } as const;
let browser: Browser;
let chat: RunningExample;
beforeAll(async () => {
  [browser, chat] = await Promise.all([openBrowser(), startExample('chat')]);
});
afterAll(async () => {
  await Promise.all([browser?.close(), chat?.stop()]);
});

const callerNamed = async (sub: string) =>
  callerAt(inject('hub').url, { Authorization: `Bearer ${await token(CHANNELS, 600, sub)}` });
const textsIn = (page: Page): Promise<string[]> => page.locator('.text').allInnerTexts();
const presentIn = (page: Page): Promise<string[]> =>
  page.getByRole('complementary').getByRole('listitem').allInnerTexts();
const messageOf = (page: Page, text: string): Locator => page.locator('.messages li', { hasText: text });
const noticeIn = (page: Page): Promise<string> => page.getByRole('status').innerText();

async function send(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

test('two people see each other, and what the other types, writes, edits and deletes', async () => {
  const { page: ada, complaints } = await visit(browser, chat, 'Ada');
  await expect.poll(async () => await presentIn(ada)).toEqual(['Ada (you)']);
  const { page: bo, complaints: others } = await visit(browser, chat, 'Bo');
  await expect.poll(async () => await presentIn(ada)).toEqual(['Ada (you)', 'Bo']);
  await expect.poll(async () => await presentIn(bo)).toEqual(['Ada', 'Bo (you)']);

  await ada.getByLabel('Message', { exact: true }).pressSequentially('Hello, Bo');
  await expect.poll(async () => await noticeIn(bo)).toBe('Ada is typing …');
  expect(await noticeIn(ada)).toBe('');
  await ada.keyboard.press('Enter');
  for (const page of [ada, bo]) await expect.poll(async () => await textsIn(page)).toEqual(['Hello, Bo']);
  await expect.poll(async () => await noticeIn(bo)).toBe('');
  expect(await ada.getByLabel('Message', { exact: true }).inputValue()).toBe('');

  await ada.getByLabel('Message', { exact: true }).pressSequentially('And');
  await expect.poll(async () => await noticeIn(bo)).toBe('Ada is typing …');
  await send(bo, 'Hello, Ada');
  await expect.poll(async () => await textsIn(ada)).toEqual(['Hello, Bo', 'Hello, Ada']);
  expect(await messageOf(bo, 'Hello, Bo').getByRole('button').count()).toBe(0);
  await messageOf(ada, 'Hello, Bo').getByRole('button', { name: 'Edit' }).click();
  await ada.getByLabel('New text').fill('Good morning, Bo');
  await ada.getByRole('button', { name: 'Save' }).click();
  await expect.poll(async () => await textsIn(bo)).toEqual(['Good morning, Bo', 'Hello, Ada']);
  expect(await messageOf(bo, 'Good morning').innerText()).toContain('(edited)');
  await messageOf(bo, 'Hello, Ada').getByRole('button', { name: 'Delete' }).click();
  await expect.poll(async () => await textsIn(ada)).toEqual(['Good morning, Bo', 'deleted']);
  await examineEverywhere(ada, 'example-chat');

  // A reload shows the same room, without another login.
  await bo.reload();
  await expect.poll(async () => await textsIn(bo)).toEqual(['Good morning, Bo', 'deleted']);
  await expect.poll(async () => await presentIn(ada)).toEqual(['Ada (you)', 'Bo']);
  await ada.getByRole('button', { name: 'support' }).click();
  await expect.poll(async () => await presentIn(bo)).toEqual(['Bo (you)']);
  await expect.poll(async () => await presentIn(ada)).toEqual(['Ada (you)']);
  expect(await textsIn(ada)).toEqual([]);
  await bo.close();
  await ada.close();
  expect([complaints, others]).toEqual([[], []]);
});

test('nobody can speak or edit for another, and hostile text is text', async () => {
  const channel = 'demo/chat/support';
  const eve = await callerNamed('Eve~1');
  const ada = await callerNamed('Ada~1');
  const script = '<img src=x onerror="window.attacked=true">';
  await ada.publish(channel, { type: 'message', id: 'm1', text: script });
  await eve.publish(channel, { type: 'edit', id: 'm1', text: 'forged' }, { type: 'delete', id: 'm1' });
  await eve.publish(channel, null, 7, { type: 'message', id: 5 }, { type: 'edit' });
  expect((await eve.publish(channel, { type: 'delete', id: 'm1', sender: 'Ada~1' })).status).toBe(400);
  const { page: bo, complaints } = await visit(browser, chat, 'Bo');
  await bo.getByRole('button', { name: 'support' }).click();
  await expect.poll(async () => await textsIn(bo)).toEqual([script]);
  expect([await bo.evaluate('window.attacked'), complaints]).toEqual([undefined, []]);
  await bo.close();
});

test('a room begins with its last 50 messages, and goes back to its beginning', async () => {
  const crowd = await callerNamed('Crowd~1');
  const texts = Array.from({ length: 120 }, (_, n) => `message ${n}`);
  await crowd.publish('demo/chat/random', ...texts.map((text) => ({ type: 'message', id: text, text })));
  const { page } = await visit(browser, chat, 'Ada');
  await page.getByRole('button', { name: 'random' }).click();
  await expect.poll(async () => await textsIn(page)).toEqual(texts.slice(-50));
  const older = page.getByRole('button', { name: 'Older messages' });
  await older.click();
  await expect.poll(async () => await textsIn(page)).toEqual(texts.slice(-100));
  await older.click();
  await expect.poll(async () => await textsIn(page)).toEqual(texts);
  await older.click();
  await expect.poll(async () => await page.getByText('This is the beginning').count()).toBe(1);
  await page.close();
});

test('the backend gives a token for the rooms and nothing else, and refuses mistakes in one sentence', async () => {
  const ask = async (body: string, type = 'application/json') =>
    await fetch(`${chat.url}token`, { method: 'POST', body, headers: { 'Content-Type': type } });
  const answer: unknown = await (await ask('{"name":"Ada"}')).json();
  expect(answer).toMatchObject({ name: 'Ada', id: expect.stringMatching(/^Ada~[0-9a-f]{8}$/) });
  const secret = String(Object(answer).token);
  const visitor = callerAt(inject('hub').url, { Authorization: `Bearer ${secret}` });
  expect((await visitor.publish('demo/chat/support', 'x')).status).toBe(400);
  expect((await visitor.publish('demo/other', 'x')).status).toBe(403);
  expect((await visitor.read('demo/game/board')).status).toBe(403);
  const refusals = await Promise.all([
    ask('{"name":"Ada"}', 'text/plain'),
    ask('{}'),
    ask('['),
    ask('{"name":"\\u202eadA"}'),
    ask(`{"name":"${'a'.repeat(25)}"}`),
    ask(`{"name":"${'a'.repeat(70_000)}"}`),
  ]);
  expect(refusals.map(({ status }) => status)).toEqual([415, 401, 401, 400, 400, 413]);
});
