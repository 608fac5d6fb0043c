/**
 * A webhook request, and a receiver that keeps the requests that arrive.
 * @module
 */
import type { RequestListener } from 'node:http';
import { text } from 'node:stream/consumers';

/** The secret of the example in Standard Webhooks. */
export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

/** Returns a `WebhookRequest` of lambda/webhook/webhook-ports.ts. */
export const requestTo = (url: string, more: object = {}) => ({
  url,
  id: 'msg_1',
  at: Date.now(),
  secrets: [SECRET],
  contentType: 'application/json',
  body: '{"type":"order.paid","data":"é☃"}',
  ...more,
});

/** A request as it arrived. */
export interface Received {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Returns a listener that keeps the requests and answers them. */
export function keeping(answer: RequestListener = (_request, response) => void response.end('ok')) {
  const received: Received[] = [];
  const listener: RequestListener = (request, response) => {
    void text(request).then((body) => {
      const { method, url: path } = request;
      const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
      received.push({ method, path, headers: Object.fromEntries(headers), body });
      answer(request, response);
    });
  };
  return { received, listener };
}
