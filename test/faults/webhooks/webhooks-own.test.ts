/**
 * A hub on one machine calls receivers on the loopback, where the local stack has its own services. The hub does not call
 * those, whether the API receives their URL or the table has it (PROTOCOL.md §13.1).
 * @module
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import {
  attemptsOf,
  UNTHROTTLED,
  type WebhookCaller,
  webhooksOf,
} from '../../support/webhooks/webhook-calls.ts';
import { tablesOf } from '../../support/webhooks/webhook-tables.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { callerAt, newChannel } from '../../support/wire/wire.ts';

let running: RunningHub;
let webhooks: WebhookCaller;
beforeAll(async () => {
  running = await startHub({ context: UNTHROTTLED });
  webhooks = webhooksOf(callerAt(running.stack.url, { Authorization: `Bearer ${running.token}` }));
});
afterAll(async () => {
  await saveGrants('webhooks-own', running.stack.control);
  await running.close();
});

const own = () => {
  const { aws, control } = running.stack;
  const { port } = new URL(aws.endpoint);
  const spelled = ['127.0.0.1', 'localhost', '127.0.0.2', '[::1]', '2130706433'].map(
    (host) => `http://${host}:${port}/`,
  );
  return [...spelled, `${control}/queues/redrive`, `${control}/faults`];
};

test('the API refuses the AWS endpoint and the control endpoint', async () => {
  const { id } = await webhooks.create('http://127.0.0.1:9/', [newChannel()]);
  for (const url of own()) {
    const refused = [403, 'address_not_allowed'];
    expect(await webhooks.refusal('POST', '', { url, channels: [newChannel()] }), url).toEqual(refused);
    expect(await webhooks.refusal('PATCH', `/${id}`, { url }), url).toEqual(refused);
  }
});

test('the hub does not call them if their URL is written into the table', async () => {
  const tables = tablesOf(running);
  for (const url of own()) {
    const { id } = await webhooks.create('http://127.0.0.1:9/', [newChannel()]);
    await tables.changeEndpoint(id, { url });
    const { body } = await webhooks.ask('POST', `/${id}/test`);
    const tried = await webhooks.settled(id, String(body.delivery), 'failed');
    expect(attemptsOf(tried), url).toMatchObject([{ number: 1, error: 'blocked' }]);
    expect(attemptsOf(tried)[0], url).not.toHaveProperty('answer');
  }
});
