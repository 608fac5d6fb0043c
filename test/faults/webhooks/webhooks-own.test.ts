/**
 * A hub on one machine calls receivers on the loopback, where the local stack has its own services. The hub does not call
 * those, whether the API receives their URL or the table has it (PROTOCOL.md §13.1).
 * @module
 */
import { expect, test } from 'vitest';
import { attemptsOf } from '../../support/webhooks/webhook-calls.ts';
import { webhookHub } from '../../support/webhooks/webhook-hub.ts';
import { newChannel } from '../../support/wire/wire.ts';

const on = webhookHub('webhooks-own');
const { webhooks } = on;

const own = () => {
  const { aws, control } = on.running.stack;
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
  for (const url of own()) {
    const { id } = await webhooks.create('http://127.0.0.1:9/', [newChannel()]);
    await on.tables.changeEndpoint(id, { url });
    const { body } = await webhooks.ask('POST', `/${id}/test`);
    const tried = await webhooks.settled(id, String(body.delivery), 'failed');
    expect(attemptsOf(tried), url).toMatchObject([{ number: 1, error: 'blocked' }]);
    expect(attemptsOf(tried)[0], url).not.toHaveProperty('answer');
  }
});
