/**
 * An example application as `npm run example` runs it: its backend in a process, against the hub under test.
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { inject, vi } from 'vitest';
import { complaintsOf, openWindow } from '../console/browser.ts';

const READY = { timeout: 60_000, interval: 50 };

/** A backend that runs. */
export interface RunningExample {
  /** The address of its page. */
  readonly url: string;
  /** Everything that it has printed. */
  readonly output: () => string;
  /** Ends it. */
  readonly stop: () => Promise<void>;
}

/** Starts the backend of an example on a free port. */
export async function startExample(name: string): Promise<RunningExample> {
  const { url, key, audience } = inject('hub');
  const env = {
    ...process.env,
    TIDINGS_URL: url,
    TIDINGS_KEY: key,
    TIDINGS_AUDIENCE: audience,
    PORT: '0',
  };
  const backend = spawn(process.execPath, [resolve('examples', name, 'server.ts')], {
    env,
    // The last one is the channel by which the backend learns of the end of this process.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const ended = once(backend, 'close');
  let printed = '';
  for (const stream of [backend.stdout, backend.stderr])
    stream?.on('data', (chunk) => {
      printed += String(chunk);
    });
  const address = await vi.waitFor(() => {
    const [found] = /http:\S+/.exec(printed) ?? [];
    if (found === undefined) throw new Error(`${name} is not ready: ${printed}`);
    return found;
  }, READY);
  return {
    url: address,
    output: () => printed,
    async stop() {
      backend.kill();
      await ended;
    },
  };
}

/** A window with an example. */
export interface Visit {
  readonly page: Page;
  /** What the browser complains about. */
  readonly complaints: readonly string[];
}

/** Opens the page of an example in a window of its own, which has its own cookies, and gives a name if it is asked for one. */
export async function visit(
  browser: Browser,
  { url }: Pick<RunningExample, 'url'>,
  name?: string,
): Promise<Visit> {
  const page = await openWindow(browser);
  const complaints = complaintsOf(page);
  await page.goto(url);
  if (name === undefined) return { page, complaints };
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Enter' }).click();
  return { page, complaints };
}
