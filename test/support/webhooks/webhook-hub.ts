/**
 * A hub of its own for the tests of a file, with the webhooks of its owner and all that it logs.
 * @module
 */
import { afterAll, beforeAll, expect } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { saveGrants } from '../wire/grants.ts';
import { type Caller, callerBy } from '../wire/wire.ts';
import { UNTHROTTLED, type WebhookCaller, webhooksOf } from './webhook-calls.ts';
import { tablesOf, type WebhookTables } from './webhook-tables.ts';

export interface WebhookHub {
  readonly running: RunningHub;
  /** The tables and queues of webhooks. */
  readonly tables: WebhookTables;
  readonly hub: Caller;
  readonly webhooks: WebhookCaller;
  /** The lines that the hub has logged. */
  readonly logged: readonly string[];
}

/**
 * Runs a hub while the tests of the calling file run. `hub`, `webhooks` and `logged` are there at once, the rest while a test runs.
 * @param name of the file, under which the used grants are saved
 * @param context more context keys of the hub
 */
export function webhookHub(name: string, context: Readonly<Record<string, unknown>> = {}): WebhookHub {
  const logged: string[] = [];
  let started: { readonly running: RunningHub; readonly tables: WebhookTables } | undefined;
  const present = () => started ?? expect.fail('the hub does not run');
  beforeAll(async () => {
    const running = await startHub({
      context: { ...UNTHROTTLED, ...context },
      log: (line) => logged.push(line),
    });
    started = { running, tables: tablesOf(running) };
  });
  afterAll(async () => {
    const { stack, close } = present().running;
    await saveGrants(name, stack.control);
    await close();
  });
  const hub = callerBy(async () => {
    const { stack, token } = present().running;
    return { url: stack.url, headers: { Authorization: `Bearer ${token}` } };
  });
  return {
    get running() {
      return present().running;
    },
    get tables() {
      return present().tables;
    },
    hub,
    webhooks: webhooksOf(hub),
    logged,
  };
}
