/**
 * What the owner of an endpoint has in hand during a turn: the endpoint as it is now, and how it is doing.
 * @module
 */
import { MAX_WEBHOOK_RATE } from '../../../protocol/limits.ts';
import { type DisabledReason, type Endpoint, hostOf, type Secrets } from '../endpoint.ts';
import { afterFailure, afterSuccess, hasFailedTooLong } from '../health.ts';
import type { Delivering, Health, Notice, SendResult } from '../webhook-ports.ts';
import type { AttemptOutcome } from './attempt-outcome.ts';
import type { Delivery } from './delivery.ts';

export interface DeliveryPass {
  readonly delivering: Delivering;
  readonly owner: string;
  /** Changes when it is disabled or agrees in the middle of the turn. */
  endpoint: Endpoint;
  readonly secrets: Secrets;
  health: Health;
  /** True once something of this turn has failed, and comes again later. */
  hasFailed: boolean;
  readonly onSuccess: () => Promise<void>;
  readonly onFailure: (verdict: AttemptOutcome, tried: Delivery) => Promise<void>;
}

/** Failures of one delivery at which its endpoint's owner is told (Svix tells at the fourth, too). */
const TOLD_AT = 4;

/** Attempts at a change that others make at the same moment. */
const MAX_CHANGES = 3;

export function beginPass(
  delivering: Delivering,
  owner: string,
  endpoint: Endpoint,
  secrets: Secrets,
  health: Health,
): DeliveryPass {
  const turn: DeliveryPass = {
    delivering,
    owner,
    endpoint,
    secrets,
    health,
    hasFailed: false,
    async onSuccess() {
      const wasTold = turn.health.isTold;
      turn.health = afterSuccess(turn.health);
      if (wasTold) await tell(turn, 'webhook.recovered');
    },
    async onFailure(verdict, tried) {
      const now = delivering.clock();
      turn.hasFailed = true;
      turn.health = afterFailure(turn.health, now, verdict.kind === 'failed' ? verdict.restMs : 0);
      if (verdict.kind === 'gone') return await disable(turn, 'gone');
      if (hasFailedTooLong(turn.health, now)) return await disable(turn, 'failing');
      if (tried.rung + 1 < TOLD_AT || turn.health.isTold) return;
      turn.health = { ...turn.health, isTold: true };
      await tell(turn, 'webhook.failing', { delivery: tried.id });
    },
  };
  return turn;
}

async function disable(turn: DeliveryPass, reason: DisabledReason): Promise<void> {
  if (await change(turn, 'enabled', { status: 'disabled', reason }))
    await tell(turn, 'webhook.disabled', { reason });
}

/**
 * What an endpoint said to the handshake.
 * https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md#42-validation-response
 */
export async function agree(turn: DeliveryPass, outcome: SendResult): Promise<boolean> {
  if (outcome.kind !== 'answer' || outcome.status < 200 || outcome.status > 299) return false;
  const { origin } = turn.delivering;
  const allowed = (outcome.allowedOrigin ?? '').split(',').map((host) => host.trim().toLowerCase());
  if (!allowed.includes('*') && !allowed.includes(origin.toLowerCase())) return false;
  const rate = Number(outcome.allowedRate);
  const isRate = Number.isInteger(rate) && rate >= 1 && rate <= MAX_WEBHOOK_RATE;
  const enabledAt = turn.delivering.clock();
  const to = { status: 'enabled', enabledAt, ...(isRate ? { rate } : {}) } as const;
  // Asked twice, it has agreed the first time.
  return (await change(turn, 'pending', to)) || turn.endpoint.status === 'enabled';
}

/** Changes the endpoint, if it still has that status and the URL that the turn is about. Says whether it did. */
async function change(turn: DeliveryPass, from: Endpoint['status'], to: Partial<Endpoint>): Promise<boolean> {
  const { endpoints } = turn.delivering;
  for (let changes = 0; changes < MAX_CHANGES; changes++) {
    const { endpoint } = turn;
    if (endpoint.status !== from) return false;
    const next = { ...endpoint, ...to, version: endpoint.version + 1 };
    const isChanged = await endpoints.replace(next);
    const now = isChanged ? next : await endpoints.get(endpoint.id);
    // Whatever it is now is the next turn's, if that is another URL.
    if (!now || now.url !== endpoint.url) return false;
    turn.endpoint = now;
    if (isChanged) return true;
  }
  return false;
}

/** Gives notice of what happened to the endpoint. */
export async function tell(
  turn: DeliveryPass,
  type: Notice['type'],
  more: Partial<Notice> = {},
): Promise<void> {
  const { delivering, endpoint } = turn;
  await delivering.notify({
    type,
    endpoint: endpoint.id,
    host: hostOf(endpoint),
    at: delivering.clock(),
    ...more,
  });
}
