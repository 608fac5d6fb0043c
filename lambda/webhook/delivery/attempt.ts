/**
 * One attempt: claim it, send, and write down what came of it (PROTOCOL.md §13.4).
 *
 * The claim is written before anything is sent. So an attempt whose process died is known as one, and no two processes
 * ever write the same attempt: both write the next version of the row, and one of them cannot.
 * @module
 */

import { DELIVERIES_KEPT_MS } from '../../../protocol/limits.ts';
import { secretsAt } from '../endpoint.ts';
import type { SendResult } from '../webhook-ports.ts';
import { type AttemptOutcome, outcomeOf } from './attempt-outcome.ts';
import type { Attempt, Delivery } from './delivery.ts';
import type { DueDelivery, Load } from './due-delivery.ts';
import { agree, type DeliveryPass, tell } from './pass-state.ts';
import { nextDue } from './retry-schedule.ts';
import type { Body } from './webhook-body.ts';
import { bodyFor } from './webhook-body.ts';

/** `settled`: the errand need not come back for it. `open`: it must. */
export type TaskState = 'settled' | 'open';

/** Attempts that a delivery remembers. A ladder has eight; the rest is for people who try again. */
const KEPT_ATTEMPTS = 20;

/** Deals with a task. @throws Refusal unavailable */
export async function perform(turn: DeliveryPass, task: DueDelivery): Promise<TaskState> {
  const load = await task.load();
  if (load.kind === 'expired') return await close(turn, task, 'expired');
  const { status } = turn.endpoint;
  const isOff = status === 'pending' ? load.kind !== 'handshake' : status === 'disabled' && !task.isOnce;
  if (isOff) return await close(turn, task, 'skipped');
  const begun = await write(turn, task, (there) => beginning(turn, task, there));
  if (begun === 'settled' || begun === 'open') return begun;
  const outcome = await send(turn, begun, load);
  return await settle(turn, begun, outcome, load);
}

/** Ends a delivery without an attempt. One that was delivered, or failed, stays so. */
async function close(
  turn: DeliveryPass,
  task: DueDelivery,
  status: 'expired' | 'skipped',
): Promise<TaskState> {
  if (task.isOnce && task.seen && task.seen.status !== 'sending') return 'settled';
  const isMeant = (there: Delivery) => there.status !== 'delivered' && task.isMeant(there);
  const closed = await write(turn, { ...task, isMeant }, (there) => ({
    ...there,
    status,
    due: undefined,
    before: undefined,
    run: task.run,
  }));
  return closed === 'open' ? 'open' : 'settled';
}

/**
 * Writes the next version of a delivery, if it is meant by the task. Looks it up only where it is not what was expected:
 * a message that is new costs no read.
 */
async function write(
  { delivering, owner, endpoint }: DeliveryPass,
  task: DueDelivery,
  change: (there: Delivery) => Delivery,
): Promise<Delivery | TaskState> {
  const { deliveries, clock } = delivering;
  let there = task.seen ?? task.fresh;
  for (let looks = 0; looks < 2; looks++) {
    const isThere = there.version > 0;
    if (isThere && there.status !== 'sending' && !task.isMeant(there)) return 'settled';
    const now = clock();
    const next = {
      ...change(interrupted(there, now)),
      changedAt: now,
      expiresAt: now + DELIVERIES_KEPT_MS,
      version: there.version + 1,
      writer: owner,
    };
    if (await deliveries.put(endpoint.id, next)) return next;
    there = (await deliveries.get(endpoint.id, task.fresh.id)) ?? task.fresh;
  }
  return 'open';
}

/** Whoever owns the endpoint knows that nobody else is sending: what seems to be under way was cut off. */
function interrupted(there: Delivery, now: number): Delivery {
  if (there.status !== 'sending') return there;
  const at = there.sendingSince ?? now;
  return withAttempt(there, { number: there.begun, at, ms: now - at, error: 'interrupted' });
}

const withAttempt = (delivery: Delivery, attempt: Attempt): Delivery => ({
  ...delivery,
  sendingSince: undefined,
  attempts: [...delivery.attempts, attempt].slice(-KEPT_ATTEMPTS),
});

function beginning({ delivering }: DeliveryPass, task: DueDelivery, there: Delivery): Delivery {
  // An attempt of the ladder that was cut off must end on the ladder: its next step is nobody else's.
  const isOnce = task.isOnce && !(there.status === 'sending' && !there.before);
  const before = there.before ?? {
    status: there.version === 0 ? 'failed' : there.status,
    due: there.due,
  };
  return {
    ...there,
    status: 'sending',
    begun: there.begun + 1,
    sendingSince: delivering.clock(),
    rung: isOnce || task.run === there.run ? there.rung : 0,
    run: task.run,
    due: undefined,
    before: isOnce ? before : undefined,
  };
}

async function send(turn: DeliveryPass, delivery: Delivery, load: Load): Promise<SendResult> {
  const { delivering, endpoint, secrets } = turn;
  const { sender, clock, origin } = delivering;
  if (load.kind !== 'message') return await sender.ask(endpoint.url, origin);
  const { contentType, text }: Body = bodyFor(endpoint.format, delivery.id, delivery, load.content);
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

async function settle(
  turn: DeliveryPass,
  sent: Delivery,
  outcome: SendResult,
  { kind }: Load,
): Promise<TaskState> {
  const now = turn.delivering.clock();
  const isAgreed = kind === 'handshake' && (await agree(turn, outcome));
  const verdict: AttemptOutcome =
    kind === 'handshake' && !isAgreed ? { kind: 'final' } : outcomeOf(outcome, now);
  const tried = withAttempt(sent, attemptOf(sent, outcome, now));
  const isLadder = sent.before === undefined;
  if (verdict.kind === 'delivered') {
    const fate = await put(turn, { ...tried, status: 'delivered', before: undefined });
    if (isLadder) await turn.onSuccess();
    return fate;
  }
  const fate = isLadder
    ? await fail(turn, tried, verdict)
    : await put(turn, { ...tried, ...sent.before, before: undefined });
  if (isLadder) await turn.onFailure(verdict, tried);
  return fate;
}

/** The next step of the ladder, or its end. */
async function fail(turn: DeliveryPass, tried: Delivery, verdict: AttemptOutcome): Promise<TaskState> {
  const { delivering, endpoint } = turn;
  const { deliveries, clock, random, deadLetter } = delivering;
  const now = clock();
  const rung = tried.rung + 1;
  const due = verdict.kind === 'failed' ? nextDue(rung, now, verdict.notBeforeMs, random) : undefined;
  const failed: Delivery = { ...tried, status: 'failed', rung };
  if (due !== undefined) {
    // The errand first: without it the delivery would wait for ever.
    await deliveries.leave(endpoint.id, {
      kind: 'retry',
      id: `${tried.id}#${tried.begun}`,
      due,
      delivery: tried.id,
    });
    return await put(turn, { ...failed, status: 'waiting', due });
  }
  if (verdict.kind === 'gone') return await put(turn, failed);
  await deadLetter(endpoint.id, failed);
  const fate = await put(turn, failed);
  await tell(turn, 'webhook.exhausted', { at: now, delivery: tried.id });
  return fate;
}

async function put({ delivering, endpoint, owner }: DeliveryPass, delivery: Delivery): Promise<TaskState> {
  const { deliveries, clock } = delivering;
  const next = { ...delivery, changedAt: clock(), version: delivery.version + 1, writer: owner };
  return (await deliveries.put(endpoint.id, next)) ? 'settled' : 'open';
}

function attemptOf({ begun, sendingSince }: Delivery, outcome: SendResult, now: number): Attempt {
  const attempt = { number: begun, at: sendingSince ?? now, ms: outcome.ms };
  if (outcome.kind === 'error') return { ...attempt, error: outcome.error };
  const { status, answer } = outcome;
  return { ...attempt, status, ...(answer === '' ? {} : { answer }) };
}
