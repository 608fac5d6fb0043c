/**
 * The state of a delivery pass: the endpoint as it is now, and its health.
 * @module
 */
import { MAX_WEBHOOK_RATE } from '../../../protocol/limits.ts';
import { type DisabledReason, type Endpoint, hostOf, type Secrets } from '../endpoint.ts';
import { afterFailure, afterSuccess, hasFailedTooLong } from '../health.ts';
import type { Delivering, Notice, ReadAhead, SendResult } from '../webhook-ports.ts';
import type { Health } from '../webhook-stores.ts';
import type { AttemptOutcome } from './attempt-outcome.ts';
import type { Delivery } from './delivery.ts';
import type { DeliveryTask, RangeTask } from './delivery-task.ts';

/** Tasks that came in a wake, and are not stored. */
export interface CarriedTasks {
  /** The tasks. */
  readonly tasks: readonly RangeTask[];
  /** What was read for them; undefined if the store was busy. */
  readonly ahead: ReadAhead | undefined;
}

/** The state of one delivery pass. */
export interface DeliveryPass {
  /** The dependencies of the owner. */
  readonly delivering: Delivering;
  /** The owner of the lease, which is the `writer` of every change. */
  readonly owner: string;
  /** Changes when the endpoint is disabled or agrees during the pass. */
  endpoint: Endpoint;
  /** The opened secrets of the endpoint. */
  readonly secrets: Secrets;
  /** Changes with each outcome. */
  health: Health;
  /** True after the first failure of the pass. A failed delivery comes again later. */
  hasFailed: boolean;
  /** The tasks of the pass that are not stored. What is left of them must be stored. */
  readonly unstored: Set<DeliveryTask>;
  /** What was read for the tasks; undefined if nothing was. */
  readonly ahead: ReadAhead | undefined;
  /** Notes a success. Publishes a notice if the endpoint was reported as failing. */
  readonly onSuccess: () => Promise<void>;
  /** Notes a failure. Disables the endpoint, or publishes a notice, where the rules say so. */
  readonly onFailure: (outcome: AttemptOutcome, tried: Delivery) => Promise<void>;
}

/** Failures of one delivery after which a notice is published. Svix also reports the fourth. */
const NOTIFY_AT = 4;

/** Attempts to change an endpoint that other callers change at the same moment. */
const MAX_CHANGES = 3;

/** Returns the state of a new delivery pass. */
export function beginPass(
  delivering: Delivering,
  owner: string,
  endpoint: Endpoint,
  secrets: Secrets,
  health: Health,
  carried: CarriedTasks | undefined,
): DeliveryPass {
  const pass: DeliveryPass = {
    delivering,
    owner,
    endpoint,
    secrets,
    health,
    hasFailed: false,
    unstored: new Set(carried?.tasks),
    ahead: carried?.ahead,
    async onSuccess() {
      const wasNotified = pass.health.isNotified;
      pass.health = afterSuccess(pass.health);
      if (wasNotified) await sendNotice(pass, 'webhook.recovered');
    },
    async onFailure(outcome, tried) {
      const now = delivering.clock();
      pass.hasFailed = true;
      pass.health = afterFailure(pass.health, now, outcome.kind === 'failed' ? outcome.backoffMs : 0);
      if (outcome.kind === 'gone') return await disable(pass, 'gone');
      if (hasFailedTooLong(pass.health, now)) return await disable(pass, 'failing');
      if (tried.failures + 1 < NOTIFY_AT || pass.health.isNotified) return;
      pass.health = { ...pass.health, isNotified: true };
      await sendNotice(pass, 'webhook.failing', { delivery: tried.id });
    },
  };
  return pass;
}

async function disable(pass: DeliveryPass, reason: DisabledReason): Promise<void> {
  if (await changeEndpoint(pass, 'enabled', { status: 'disabled', reason }))
    await sendNotice(pass, 'webhook.disabled', { reason });
}

/**
 * Enables the endpoint if its answer to the handshake agrees. Returns true if it agrees.
 * https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md#42-validation-response
 */
export async function acceptHandshake(pass: DeliveryPass, result: SendResult): Promise<boolean> {
  if (result.kind !== 'answer' || result.status < 200 || result.status > 299) return false;
  const { origin } = pass.delivering;
  const allowed = (result.allowedOrigin ?? '').split(',').map((host) => host.trim().toLowerCase());
  if (!allowed.includes('*') && !allowed.includes(origin.toLowerCase())) return false;
  const rate = Number(result.allowedRate);
  const isRate = Number.isInteger(rate) && rate >= 1 && rate <= MAX_WEBHOOK_RATE;
  const enabledAt = pass.delivering.clock();
  const to = { status: 'enabled', enabledAt, ...(isRate ? { rate } : {}) } as const;
  // An endpoint that is asked twice agreed the first time.
  return (await changeEndpoint(pass, 'pending', to)) || pass.endpoint.status === 'enabled';
}

/** Changes the endpoint if it still has this status and the URL of the pass. Returns whether it did. */
async function changeEndpoint(
  pass: DeliveryPass,
  from: Endpoint['status'],
  to: Partial<Endpoint>,
): Promise<boolean> {
  const { endpoints } = pass.delivering;
  for (let changes = 0; changes < MAX_CHANGES; changes++) {
    const { endpoint } = pass;
    if (endpoint.status !== from) return false;
    const next = { ...endpoint, ...to, version: endpoint.version + 1 };
    const isChanged = await endpoints.replace(next);
    const now = isChanged ? next : await endpoints.get(endpoint.id);
    // The outcome says nothing about another URL, which is left to the next pass.
    if (!now || now.url !== endpoint.url) return false;
    pass.endpoint = now;
    if (isChanged) return true;
  }
  return false;
}

/** Publishes a notice about the endpoint. @throws Error if the queue does not take it */
export async function sendNotice(
  pass: DeliveryPass,
  type: Notice['type'],
  more: Partial<Notice> = {},
): Promise<void> {
  const { delivering, endpoint } = pass;
  await delivering.notify({
    type,
    endpoint: endpoint.id,
    host: hostOf(endpoint),
    at: delivering.clock(),
    ...more,
  });
}
