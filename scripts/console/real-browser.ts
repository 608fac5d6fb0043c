/**
 * A real browser, for pictures and tests.
 * @module
 */
import chromium from '@sparticuz/chromium';
import { type Browser, chromium as playwright } from 'playwright-core';

/** Starts a Chromium without a screen. */
export const openBrowser = async (): Promise<Browser> =>
  await playwright.launch({
    executablePath: await chromium.executablePath(),
    // In one process, the end of a page with open sockets would end the browser.
    args: chromium.args.filter((arg) => arg !== '--single-process'),
    headless: true,
  });
