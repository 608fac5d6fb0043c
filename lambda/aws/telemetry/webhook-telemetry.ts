/**
 * What becomes of deliveries, counted where they leave the hub; what is given up is logged, too.
 * @module
 */

import type { MetricName } from '../../../protocol/metrics.ts';
import { formatOffset } from '../../../protocol/offset.ts';
import { outcomeOf } from '../../webhook/delivery/attempt-outcome.ts';
import type { Delivering, Sender, SendResult } from '../../webhook/webhook-ports.ts';
import { count, logGivenUp } from './telemetry.ts';

export function watchedSender(sender: Sender): Sender {
  return {
    async post(letter) {
      const outcome = await sender.post(letter);
      count(metricOf(outcome), 1);
      return outcome;
    },
    askHandshake: async (url, origin) => await sender.askHandshake(url, origin),
  };
}

function metricOf(outcome: SendResult): MetricName {
  const { kind } = outcomeOf(outcome, Date.now());
  if (kind === 'delivered') return 'Delivered';
  return kind === 'final' ? 'WebhooksBlocked' : 'WebhooksFailed';
}

export function watchedDeadLetter(deadLetter: Delivering['deadLetter']): Delivering['deadLetter'] {
  return async (endpoint, delivery) => {
    await deadLetter(endpoint, delivery);
    count('WebhooksExhausted', 1);
    const { id, channel, position, attempts } = delivery;
    const { status, error } = attempts.at(-1) ?? {};
    logGivenUp({ endpoint, delivery: id, channel, offset: formatOffset(position), status, reason: error });
  };
}
