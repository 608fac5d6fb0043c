/**
 * Counts the outcomes of webhook requests, and logs deliveries that failed for good.
 * @module
 */

import type { MetricName } from '../../../protocol/metrics.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import { outcomeOf } from '../../webhook/delivery/attempt-outcome.ts';
import type { Delivering, Sender, SendResult } from '../../webhook/webhook-ports.ts';
import { count, logGivenUp } from './telemetry.ts';

/** Returns a sender that counts the outcome of each message. Handshakes are not counted. */
export function watchedSender(sender: Sender): Sender {
  return {
    async post(request) {
      const result = await sender.post(request);
      count(metricOf(result), 1);
      return result;
    },
    askHandshake: async (url, origin) => await sender.askHandshake(url, origin),
  };
}

function metricOf(result: SendResult): MetricName {
  const { kind } = outcomeOf(result, Date.now());
  if (kind === 'delivered') return 'Delivered';
  return kind === 'final' ? 'WebhooksBlocked' : 'WebhooksFailed';
}

/** Returns a function that sends a dead letter, counts it and logs it. */
export function watchedDeadLetter(deadLetter: Delivering['deadLetter']): Delivering['deadLetter'] {
  return async (endpoint, delivery) => {
    await deadLetter(endpoint, delivery);
    count('WebhooksExhausted', 1);
    const { id, channel, position, attempts } = delivery;
    const { status, error } = attempts.at(-1) ?? {};
    logGivenUp({ endpoint, delivery: id, channel, offset: formatOffset(position), status, reason: error });
  };
}
