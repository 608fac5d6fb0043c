/**
 * Deliveries as an operator sees them: counted by what became of them, and a line about those that were given up.
 * @module
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watching } from '../../../lambda/aws/telemetry/telemetry.ts';
import { watchedDeadLetter, watchedSender } from '../../../lambda/aws/telemetry/webhook-telemetry.ts';
import { freshDelivery } from '../../../lambda/webhook/delivery/due-delivery.ts';
import type { SendResult, WebhookRequest } from '../../../lambda/webhook/webhook-ports.ts';

const URL_WITH_SECRET = 'https://receiver.example.com/hooks?key=s3cret';
const request: WebhookRequest = {
  url: URL_WITH_SECRET,
  id: 'msg_1',
  at: 0,
  secrets: ['whsec_s3cret'],
  contentType: 'application/json',
  body: '"s3cret"',
};
const answered = (status: number): SendResult => ({
  kind: 'answer',
  status,
  ms: 1,
  answer: '',
  retryAfter: undefined,
  allowedOrigin: undefined,
  allowedRate: undefined,
});

let written: string[];
beforeEach(() => {
  written = [];
  const keep = (text: unknown): boolean => written.push(String(text)) > 0;
  vi.spyOn(process.stdout, 'write').mockImplementation(keep);
  vi.spyOn(process.stderr, 'write').mockImplementation(keep);
});
afterEach(() => vi.restoreAllMocks());

const during = watching({ STAGE: 'dev', FUNCTION: 'Deliver' });
const run = async (work: () => Promise<unknown>) => {
  await during({ awsRequestId: 'a' }, async () => void (await work()));
  return written.map((line) => JSON.parse(line));
};

test.each<[string, SendResult]>([
  ['Delivered', answered(204)],
  ['WebhooksFailed', answered(500)],
  ['WebhooksFailed', answered(410)],
  ['WebhooksFailed', { kind: 'error', error: 'timeout', ms: 1 }],
  ['WebhooksBlocked', { kind: 'error', error: 'blocked', ms: 1 }],
])('%s: %j', async (name, outcome) => {
  const sender = watchedSender({ post: async () => outcome, askHandshake: async () => outcome });
  const [line, ...more] = await run(async () => {
    expect(await sender.post(request)).toBe(outcome);
    // A handshake is no delivery.
    expect(await sender.askHandshake(URL_WITH_SECRET, 'hub.example.com')).toBe(outcome);
  });
  expect([line[name], line.Function, more]).toEqual([1, 'Deliver', []]);
});

test('what was given up is a line that finds it, without the URL and the message', async () => {
  const position = { entry: 7, index: 2 };
  const ref = {
    channel: 'orders/1',
    streamId: 's',
    position,
    time: 0,
    id: 'msg_1',
    kind: 'message' as const,
  };
  const attempts = [{ number: 8, at: 0, ms: 1, status: 503, answer: 's3cret answer' }];
  const buried: string[] = [];
  const deadLetter = watchedDeadLetter(async (endpoint) => void buried.push(endpoint));
  const lines = await run(() => deadLetter('ep_1', { ...freshDelivery(ref, 0), attempts }));
  expect(buried).toEqual(['ep_1']);
  expect(lines).toMatchObject([
    {
      level: 'WARN',
      endpoint: 'ep_1',
      delivery: 'msg_1',
      channel: 'orders/1',
      offset: '0000000000070002',
      status: 503,
      function_request_id: 'a',
    },
    { WebhooksExhausted: 1 },
  ]);
  expect(written.join()).not.toContain('s3cret');
});
