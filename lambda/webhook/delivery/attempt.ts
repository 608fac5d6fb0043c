/**
 * One attempt of a delivery: claim it, send the request, store the outcome (PROTOCOL.md §13.4).
 *
 * The claim is stored before anything is sent. So an attempt whose process died is known. Two processes never store the same
 * attempt: both write the next version of the row, and only one write succeeds.
 * @module
 */

import { DELIVERIES_KEPT_MS } from '../../../protocol/limits.ts';
import { secretsAt } from '../endpoint.ts';
import type { SendResult } from '../webhook-ports.ts';
import { type AttemptOutcome, outcomeOf } from './attempt-outcome.ts';
import type { Attempt, Delivery } from './delivery.ts';
import type { DueDelivery, Payload } from './due-delivery.ts';
import { acceptHandshake, type DeliveryPass, sendNotice } from './pass-state.ts';
import { nextDue } from './retry-schedule.ts';
import { bodyFor } from './webhook-body.ts';

/** `settled`: its task need not come back for the delivery. `open`: the task must. */
export type DueState = 'settled' | 'open';

/** Attempts that a delivery stores. The retry schedule has eight. The others are for callers who ask for more. */
const KEPT_ATTEMPTS = 20;

/** Sends a due delivery, or ends it without an attempt. @throws Refusal unavailable */
export async function attemptDelivery(pass: DeliveryPass, due: DueDelivery): Promise<DueState> {
  const payload = await due.loadPayload();
  if (payload.kind === 'expired') return await endUnsent(pass, due, 'expired');
  const { status } = pass.endpoint;
  const isOff = status === 'pending' ? payload.kind !== 'handshake' : status === 'disabled' && !due.isOnce;
  if (isOff) return await endUnsent(pass, due, 'skipped');
  const claimed = await write(pass, due, (stored) => beginAttempt(pass, due, stored));
  if (claimed === 'settled' || claimed === 'open') return claimed;
  const result = await send(pass, claimed, payload);
  return await storeOutcome(pass, claimed, result, payload);
}

/** Ends a delivery without an attempt. A delivery that is `delivered` stays so. */
async function endUnsent(
  pass: DeliveryPass,
  due: DueDelivery,
  status: 'expired' | 'skipped',
): Promise<DueState> {
  if (due.isOnce && due.seen && due.seen.status !== 'sending') return 'settled';
  const isToSend = (stored: Delivery) => stored.status !== 'delivered' && due.isToSend(stored);
  const ended = await write(pass, { ...due, isToSend }, (stored) => ({
    ...stored,
    status,
    due: undefined,
    before: undefined,
    run: due.run,
  }));
  return ended === 'open' ? 'open' : 'settled';
}

/**
 * Writes the next version of a delivery if it is to be sent. Reads the stored delivery only after a conflict, so that a new
 * message costs no read.
 */
async function write(
  { delivering, owner, endpoint }: DeliveryPass,
  due: DueDelivery,
  change: (stored: Delivery) => Delivery,
): Promise<Delivery | DueState> {
  const { deliveries, clock } = delivering;
  let stored = due.seen ?? due.fresh;
  for (let writes = 0; writes < 2; writes++) {
    const isStored = stored.version > 0;
    if (isStored && stored.status !== 'sending' && !due.isToSend(stored)) return 'settled';
    const now = clock();
    const next = {
      ...change(endInterrupted(stored, now)),
      changedAt: now,
      expiresAt: now + DELIVERIES_KEPT_MS,
      version: stored.version + 1,
      writer: owner,
    };
    if (await deliveries.put(endpoint.id, next)) return next;
    stored = (await deliveries.get(endpoint.id, due.fresh.id)) ?? due.fresh;
  }
  return 'open';
}

/**
 * Ends the attempt of a process that died. Only the owner sends, so a stored `sending` is never another live attempt.
 */
function endInterrupted(stored: Delivery, now: number): Delivery {
  if (stored.status !== 'sending') return stored;
  const at = stored.sendingSince ?? now;
  return withAttempt(stored, { number: stored.begun, at, ms: now - at, error: 'interrupted' });
}

const withAttempt = (delivery: Delivery, attempt: Attempt): Delivery => ({
  ...delivery,
  sendingSince: undefined,
  attempts: [...delivery.attempts, attempt].slice(-KEPT_ATTEMPTS),
});

function beginAttempt({ delivering }: DeliveryPass, due: DueDelivery, stored: Delivery): Delivery {
  // An interrupted attempt of the retry schedule stays on the schedule: no other task would continue it.
  const isOnce = due.isOnce && !(stored.status === 'sending' && !stored.before);
  const before = stored.before ?? {
    status: stored.version === 0 ? 'failed' : stored.status,
    due: stored.due,
  };
  return {
    ...stored,
    status: 'sending',
    begun: stored.begun + 1,
    sendingSince: delivering.clock(),
    failures: isOnce || due.run === stored.run ? stored.failures : 0,
    run: due.run,
    due: undefined,
    before: isOnce ? before : undefined,
  };
}

async function send(pass: DeliveryPass, delivery: Delivery, payload: Payload): Promise<SendResult> {
  const { delivering, endpoint, secrets } = pass;
  const { sender, clock, origin } = delivering;
  if (payload.kind !== 'message') return await sender.askHandshake(endpoint.url, origin);
  const { contentType, text } = bodyFor(endpoint.format, delivery.id, delivery, payload.content);
  const at = clock();
  return await sender.post({
    url: endpoint.url,
    id: delivery.id,
    at,
    secrets: secretsAt(secrets, at),
    contentType,
    body: text,
  });
}

async function storeOutcome(
  pass: DeliveryPass,
  claimed: Delivery,
  result: SendResult,
  { kind }: Payload,
): Promise<DueState> {
  const now = pass.delivering.clock();
  const hasAgreed = kind === 'handshake' && (await acceptHandshake(pass, result));
  const outcome: AttemptOutcome =
    kind === 'handshake' && !hasAgreed ? { kind: 'final' } : outcomeOf(result, now);
  const tried = withAttempt(claimed, attemptOf(claimed, result, now));
  const isOnSchedule = claimed.before === undefined;
  if (outcome.kind === 'delivered') {
    const state = await put(pass, { ...tried, status: 'delivered', before: undefined });
    if (isOnSchedule) await pass.onSuccess();
    return state;
  }
  const state = isOnSchedule
    ? await storeFailure(pass, tried, outcome)
    : await put(pass, { ...tried, ...claimed.before, before: undefined });
  if (isOnSchedule) await pass.onFailure(outcome, tried);
  return state;
}

/** Schedules the next attempt. After the last one the delivery is `failed` and becomes a dead letter. */
async function storeFailure(pass: DeliveryPass, tried: Delivery, outcome: AttemptOutcome): Promise<DueState> {
  const { delivering, endpoint } = pass;
  const { deliveries, clock, random, deadLetter } = delivering;
  const now = clock();
  const failures = tried.failures + 1;
  const due = outcome.kind === 'failed' ? nextDue(failures, now, outcome.notBeforeMs, random) : undefined;
  const failed: Delivery = { ...tried, status: 'failed', failures };
  if (due !== undefined) {
    // The task is stored first: after a crash between the two writes the delivery would otherwise wait without end.
    await deliveries.putTask(endpoint.id, {
      kind: 'retry',
      id: `${tried.id}#${tried.begun}`,
      due,
      delivery: tried.id,
    });
    return await put(pass, { ...failed, status: 'waiting', due });
  }
  if (outcome.kind === 'gone') return await put(pass, failed);
  await deadLetter(endpoint.id, failed);
  const state = await put(pass, failed);
  await sendNotice(pass, 'webhook.exhausted', { at: now, delivery: tried.id });
  return state;
}

async function put({ delivering, endpoint, owner }: DeliveryPass, delivery: Delivery): Promise<DueState> {
  const { deliveries, clock } = delivering;
  const next = { ...delivery, changedAt: clock(), version: delivery.version + 1, writer: owner };
  return (await deliveries.put(endpoint.id, next)) ? 'settled' : 'open';
}

function attemptOf({ begun, sendingSince }: Delivery, result: SendResult, now: number): Attempt {
  const attempt = { number: begun, at: sendingSince ?? now, ms: result.ms };
  if (result.kind === 'error') return { ...attempt, error: result.error };
  const { status, answer } = result;
  return { ...attempt, status, ...(answer === '' ? {} : { answer }) };
}
