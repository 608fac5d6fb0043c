/**
 * A busy topic is called once, and then not for a second, so that the publisher does not wait for retries of the SDK.
 * @module
 */
import { expect, test } from 'vitest';
import { hintsBySns } from '../../../lambda/aws/queues/send-hints.ts';
import { loopback } from '../../support/network/aws-loopback.ts';

const HINT = { channel: 'a', offset: '0000000000010000', isClosing: false };
const THROTTLED =
  '<ErrorResponse><Error><Type>Sender</Type><Code>ThrottlingException</Code><Message>Rate exceeded</Message></Error></ErrorResponse>';
const DONE = '<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>';

let isBusy = false;
const { requests, answer } = loopback();
answer((response) => {
  response.writeHead(isBusy ? 400 : 200, { 'content-type': 'text/xml' }).end(isBusy ? THROTTLED : DONE);
});

test('a busy topic is called again after a second', async () => {
  let now = 1_000_000;
  const tell = hintsBySns('arn:aws:sns:eu-west-3:1:t', () => now);
  await tell(HINT);
  expect(requests).toHaveLength(1);
  isBusy = true;
  await expect(tell(HINT)).rejects.toMatchObject({ code: 'unavailable' });
  expect(requests).toHaveLength(2);
  isBusy = false;
  now += 999;
  await expect(tell(HINT)).rejects.toMatchObject({ code: 'unavailable' });
  expect(requests).toHaveLength(2);
  now += 1;
  await tell(HINT);
  await tell(HINT);
  expect(requests).toHaveLength(4);
});
