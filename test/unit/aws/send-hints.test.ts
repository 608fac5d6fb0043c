/**
 * A busy topic is called once, and then not for a second, so that the publisher does not wait for retries of the SDK.
 * @module
 */
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hintsBySns } from '../../../lambda/aws/queues/send-hints.ts';

const HINT = { channel: 'a', offset: '0000000000010000', isClosing: false };
const THROTTLED =
  '<ErrorResponse><Error><Type>Sender</Type><Code>ThrottlingException</Code><Message>Rate exceeded</Message></Error></ErrorResponse>';
const DONE = '<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>';

let server: Server;
let isBusy = false;
let calls = 0;
const before = { ...process.env };
beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume().on('end', () => {
      calls++;
      response.writeHead(isBusy ? 400 : 200, { 'content-type': 'text/xml' }).end(isBusy ? THROTTLED : DONE);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    AWS_REGION: 'eu-west-3',
    AWS_ACCESS_KEY_ID: 'A',
    AWS_SECRET_ACCESS_KEY: 'S',
  });
});
afterAll(() => {
  process.env = before;
  server.closeAllConnections();
  server.close();
});

test('a busy topic is called again after a second', async () => {
  let now = 1_000_000;
  const tell = hintsBySns('arn:aws:sns:eu-west-3:1:t', () => now);
  await tell(HINT);
  expect(calls).toBe(1);
  isBusy = true;
  await expect(tell(HINT)).rejects.toMatchObject({ code: 'unavailable' });
  expect(calls).toBe(2);
  isBusy = false;
  now += 999;
  await expect(tell(HINT)).rejects.toMatchObject({ code: 'unavailable' });
  expect(calls).toBe(2);
  now += 1;
  await tell(HINT);
  await tell(HINT);
  expect(calls).toBe(4);
});
