/**
 * Webhooks when processes die: Dispatch and Deliver are killed at every call that they make, while hints and wakes come
 * twice and out of order. Every acknowledged message is delivered. FUZZ_SEED repeats the behaviour of the queues.
 * @module
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { CALM } from '../../../local/faults/chaos.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { UNTHROTTLED } from '../../support/webhooks/webhook-calls.ts';
import { type Line, Lines } from '../../support/webhooks/webhook-lines.ts';
import { clearFaults, type Fault, inject } from '../../support/wire/faults.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { type Answer, type Receiver, startReceiver } from '../../support/wire/receiver.ts';
import { callerAt } from '../../support/wire/wire.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);

type HandlerName = 'Dispatch' | 'Deliver';
type Point = Pick<Fault, 'at' | 'action' | 'resource' | 'call'>;

let running: RunningHub;
let receiver: Receiver;
let lines: Lines;
const logged: string[] = [];
beforeAll(async () => {
  running = await startHub({
    context: UNTHROTTLED,
    chaos: { ...CALM, seed: SEED, duplicates: 0.3, reorders: 0.3 },
    log: (line) => logged.push(line),
  });
  receiver = await startReceiver();
  lines = new Lines(callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` }), receiver);
});
afterEach(() => clearFaults(running.stack.control));
afterAll(async () => {
  await saveGrants('webhooks', running.stack.control);
  await running.close();
  await receiver.close();
});

const around = (action: string, resource: string, ...calls: readonly number[]): Point[] =>
  (calls.length === 0 ? [1] : calls).flatMap((call) =>
    (['before', 'after'] as const).map((at) => ({ at, action, resource, call })),
  );
const EDGES: readonly Point[] = [{ at: 'invoke' }, { at: 'response' }];

const deathsOf = (handler: HandlerName): number =>
  logged.filter((line) => line.includes(`/${handler}/Queue keeps`) && line.includes('killed')).length;

/** Publishes a message whose publisher dies before it sends the hint. */
async function loseHint(line: Line): Promise<void> {
  const point = { at: 'before', action: 'sns:Publish' } as const;
  await inject(running.stack.control, { function: 'Publish', effect: 'kill', ...point });
  await lines.publish(line, 500);
}

/** What the line of a point is like. */
interface LineOptions {
  /** The first answers of the endpoint to the message. */
  readonly answers?: readonly Answer[];
  /** Messages that are delivered before, so that dispatch has a cursor. */
  readonly before?: number;
  /** True to lose the hint of a message before it, so that dispatch reads both from the log, and stores a task. */
  readonly isHintLost?: boolean;
  /** True to send a message again that was delivered before, by a wake without tasks. */
  readonly isReplayed?: boolean;
}

/** Kills the process at each point, one after the other, while it handles a message of a new line. */
async function killAt(
  handler: HandlerName,
  points: readonly Point[],
  { answers = [], before = 0, isHintLost = false, isReplayed = false }: LineOptions = {},
): Promise<Line[]> {
  const hit: Line[] = [];
  for (const point of points) {
    const line = await lines.open(`${handler} killed ${JSON.stringify(point)}`);
    for (let nth = 0; nth < before; nth++) await lines.publish(line);
    if (before > 0) await lines.settle([line], `before ${line.name}, FUZZ_SEED=${SEED}`);
    if (isHintLost) await loseHint(line);
    const deaths = deathsOf(handler);
    await inject(running.stack.control, { function: handler, effect: 'kill', ...point });
    lines.refuse(line, answers);
    if (isReplayed) await lines.replay(line);
    else await lines.publish(line);
    const message = `${line.name}, FUZZ_SEED=${SEED}`;
    await expect.poll(() => deathsOf(handler), { message }).toBeGreaterThan(deaths);
    hit.push(line);
  }
  return hit;
}

test('every message arrives, and each attempt is counted once, at whatever call Deliver and Dispatch die', async () => {
  const hit = [
    // The key comes first, since a process reads it only once.
    ...(await killAt('Deliver', [
      ...around('secretsmanager:GetSecretValue', 'WebhookKey'),
      ...EDGES,
      ...around('dynamodb:UpdateItem', 'WebhooksDeliveries', 1, 2),
      ...around('dynamodb:BatchGetItem', 'WebhooksEndpoints'),
      ...around('dynamodb:PutItem', 'WebhooksDeliveries', 1, 2),
    ])),
    // The calls of a delivery that fails: its task, its state, the renewed lease, the look at the table, the wake that takes the
    // place of the first one, and the next attempt.
    ...(await killAt(
      'Deliver',
      [
        ...around('dynamodb:PutItem', 'WebhooksDeliveries', 2, 3),
        ...around('dynamodb:UpdateItem', 'WebhooksDeliveries', 2),
        ...around('dynamodb:GetItem', 'WebhooksEndpoints'),
        ...around('dynamodb:Query', 'WebhooksDeliveries'),
        ...around('sqs:SendMessage', 'DispatchQueue'),
        ...around('dynamodb:GetItem', 'WebhooksDeliveries'),
        ...around('dynamodb:GetItem', 'LogChannels'),
        ...around('dynamodb:Query', 'LogEntries'),
        ...around('dynamodb:DeleteItem', 'WebhooksDeliveries'),
      ],
      { answers: [{ status: 500 }] },
    )),
    // A wake without tasks is postponed in the queue.
    ...(await killAt('Deliver', around('sqs:ChangeMessageVisibility', 'DeliverQueue'), {
      before: 1,
      isReplayed: true,
      answers: [{ status: 500 }],
    })),
    // The first message of a channel.
    ...(await killAt('Dispatch', [
      ...EDGES,
      ...around('dynamodb:BatchGetItem', 'WebhooksEndpoints'),
      ...around('dynamodb:GetItem', 'LogChannels'),
      ...around('sqs:SendMessage', 'DeliverQueue'),
      ...around('dynamodb:UpdateItem', 'WebhooksEndpoints'),
    ])),
    // A hint in step with the cursor.
    ...(await killAt(
      'Dispatch',
      [
        ...around('dynamodb:BatchGetItem', 'WebhooksEndpoints'),
        ...around('sqs:SendMessage', 'DeliverQueue'),
        ...around('dynamodb:UpdateItem', 'WebhooksEndpoints'),
      ],
      { before: 1 },
    )),
    // A hint that was lost: dispatch reads the log, stores the task, and asks for the owner.
    ...(await killAt(
      'Dispatch',
      [
        ...around('dynamodb:BatchGetItem', 'WebhooksEndpoints', 2),
        ...around('dynamodb:Query', 'LogEntries'),
        ...around('dynamodb:PutItem', 'WebhooksDeliveries'),
        ...around('dynamodb:UpdateItem', 'WebhooksDeliveries'),
      ],
      { isHintLost: true },
    )),
  ];
  await lines.recover(hit, `FUZZ_SEED=${SEED}`);
  console.info(`killed ${hit.length} times: ${await lines.judge(hit)}; FUZZ_SEED=${SEED}`);
}, 240_000);

test('a wake that comes twice does not delete the wake of the next attempt', async () => {
  // Slow enough that the owner still serves the endpoint when the second copy comes.
  const failing: Answer = { status: 500, afterMs: 600 };
  const open: Line[] = [];
  for (let n = 0; n < 20; n++) open.push(await lines.open(`the endpoint ${n}`, [failing]));
  for (const line of open) await lines.publish(line);
  await lines.settle(open, `FUZZ_SEED=${SEED}`);
  console.info(`wakes that come twice: ${await lines.judge(open)}; FUZZ_SEED=${SEED}`);
});
