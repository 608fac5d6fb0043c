/**
 * Endpoints and deliveries as lines for people.
 * @module
 */
import { type Fields, fieldsOf } from '../../protocol/fields.ts';
import { printable } from '../terminal/printable.ts';
import { below, coloured, membersOf, tableOf } from '../terminal/table.ts';
import { timeOf } from '../terminal/waiting.ts';

/** Returns a table of endpoints. Below each one are its URL and its channels. */
export function endpointLines(endpoints: readonly Fields[], now: number): string[] {
  const rows = endpoints.map((endpoint) => [
    String(endpoint.id),
    String(endpoint.status),
    healthOf(endpoint, now),
    rateOf(endpoint),
  ]);
  const heads = [{ head: 'ENDPOINT' }, { head: 'STATUS' }, { head: 'HEALTH', isCut: true }, { head: 'RATE' }];
  const [head = '', ...lines] = tableOf(heads, rows);
  return [
    head,
    ...lines.flatMap((line, at) => {
      const endpoint = endpoints[at] ?? {};
      return [
        coloured(line, String(endpoint.status)),
        below(`${String(endpoint.url)}  ←  ${listOf(endpoint.channels)}`),
      ];
    }),
  ];
}

/** Returns all members of an endpoint. */
export function endpointInDetail(endpoint: Fields, now: number): string[] {
  const { id, status, url, channels, types, format, description, createdAt, secret } = endpoint;
  const lines = membersOf({
    id: String(id),
    status: String(status),
    health: healthOf(endpoint, now),
    rate: rateOf(endpoint),
    url: String(url),
    channels: listOf(channels),
    types: listOf(types) || 'all',
    format: String(format),
    description: textOf(description),
    created: textOf(createdAt),
    secret: textOf(secret),
  });
  return lines.map((line) => (line.startsWith('status') ? coloured(line, String(status)) : line));
}

/** An endpoint fails from its first failure to its next success. Meanwhile its circuit may be open (PROTOCOL.md §13.4). */
function healthOf({ status, reason, failingSince, pausedUntil }: Fields, now: number): string {
  const why = typeof reason === 'string' ? [`stopped: ${reason}`] : [];
  const since = typeof failingSince === 'string' ? Date.parse(failingSince) : Number.NaN;
  const failing = Number.isNaN(since) ? [] : [`failing for ${timeOf(Math.max(0, now - since))}`];
  const paused = pausedUntil === undefined ? [] : [`paused until ${secondOf(pausedUntil)}`];
  const all = [...why, ...failing, ...paused];
  if (all.length > 0) return all.join(', ');
  return status === 'pending' ? 'has not agreed yet' : 'fine';
}

const rateOf = ({ rate }: Fields): string =>
  rate === undefined || rate === null ? 'no limit' : `${rate}/min`;

const listOf = (value: unknown): string => (Array.isArray(value) ? value.join(' ') : '');

const textOf = (value: unknown): string | undefined =>
  value === undefined || value === '' ? undefined : String(value);

/** Returns two lines for each delivery: its id, which is long, and what is known of it. */
export const deliveryLines = (deliveries: readonly Fields[]): string[] =>
  deliveries.flatMap((delivery) => {
    const { id, status, channel, publishedAt, kind } = delivery;
    const attempts = attemptsOf(delivery);
    const count = `${attempts.length} ${attempts.length === 1 ? 'attempt' : 'attempts'}`;
    const last = attempts.at(-1);
    const ended = last === undefined ? count : `${count}, the last: ${answerOf(last)}`;
    return [
      coloured(printable(`${id}  ${status}`), String(status)),
      below(`${secondOf(publishedAt)}  ${ended}  ${kind === undefined ? String(channel) : String(kind)}`),
    ];
  });

/** Returns all members of a delivery, and a table of its attempts. */
export function deliveryInDetail(delivery: Fields): string[] {
  const { id, kind, channel, offset, publishedAt, status, due, to } = delivery;
  const members = membersOf({
    id: String(id),
    status: String(status),
    kind: textOf(kind),
    channel: String(channel),
    offset: String(offset),
    'up to': textOf(to),
    published: textOf(publishedAt),
    'next attempt': textOf(due),
  }).map((line) => (line.startsWith('status') ? coloured(line, String(status)) : line));
  const attempts = attemptsOf(delivery);
  if (attempts.length === 0) return [...members, 'no attempt has ended yet'];
  const rows = attempts.map((attempt) => [
    String(attempt.number),
    secondOf(attempt.at),
    answerOf(attempt),
    textOf(attempt.answer) ?? '',
  ]);
  const heads = [{ head: 'ATTEMPT' }, { head: 'AT' }, { head: 'RESULT' }, { head: 'ANSWER', isCut: true }];
  return [...members, '', ...tableOf(heads, rows)];
}

const attemptsOf = ({ attempts }: Fields): Fields[] =>
  Array.isArray(attempts) ? attempts.map(fieldsOf) : [];

const answerOf = ({ status, error, ms }: Fields): string => `${status ?? error} in ${ms} ms`;

/** Returns a time without its fraction of a second. */
const secondOf = (time: unknown): string => String(time).replace(/\.\d+Z$/, 'Z');
