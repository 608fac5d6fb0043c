/**
 * Parses requests about webhooks (PROTOCOL.md §13). All input is untrusted.
 *
 * An unknown member is refused, not ignored: an endpoint with a misspelled `types` would get every message.
 * @module
 */
import { isPattern } from '../../../protocol/channel-name.ts';
import { Refusal } from '../../../protocol/errors.ts';
import type { Fields } from '../../../protocol/fields.ts';
import {
  DEFAULT_PAGE,
  MAX_DESCRIPTION_LENGTH,
  MAX_PAGE,
  MAX_SECRET_BYTES,
  MAX_TYPE_LENGTH,
  MAX_WEBHOOK_CHANNELS,
  MAX_WEBHOOK_RATE,
  MAX_WEBHOOK_REQUEST_BYTES,
  MAX_WEBHOOK_TYPES,
  MIN_SECRET_BYTES,
} from '../../../protocol/limits.ts';
import { parseOffset } from '../../../protocol/offset.ts';
import { DELIVERY_STATUSES } from '../../webhook/delivery/delivery.ts';
import { isType } from '../../webhook/delivery/webhook-body.ts';
import type { DeliveryQuery, ReplayFrom } from '../../webhook/delivery-requests.ts';
import { FORMATS } from '../../webhook/endpoint.ts';
import type { Change, Settings } from '../../webhook/manage-endpoints.ts';
import { refuseBadName } from '../parse-channel.ts';
import { shown, timeOf } from '../parse-read.ts';
import { parameterOf } from '../query.ts';

/** Returns true for text that can be a secret. */
export type IsSecret = (text: string) => boolean;

/** A new endpoint. The URL is not checked yet. */
export interface Creation {
  /** The channels, types and form that the endpoint receives. */
  readonly settings: Settings;
  /** The secret that the caller brings; undefined if the hub must make one. */
  readonly secret: string | undefined;
}

const SETTINGS = ['url', 'channels', 'types', 'format', 'rate', 'handshake', 'description'];

/** The most characters of an id. The ids of the hub are shorter, and DynamoDB refuses a key of more than 1,024 bytes. */
export const MAX_ID_LENGTH = 128;

/** Parses POST /webhooks. @throws Refusal too_large, bad_json, bad_request, bad_channel */
export async function parseCreation(raw: Request, isSecret: IsSecret): Promise<Creation> {
  const body = await bodyOf(raw, [...SETTINGS, 'secret']);
  for (const name of ['url', 'channels'])
    if (!(name in body))
      throw new Refusal('bad_request', `${name} is missing: an endpoint needs url and channels`);
  const { types = [], format = 'standard', rate = null, handshake = false, description = '' } = body;
  const settings = {
    url: urlOf(body.url),
    channels: patternsOf(body.channels),
    types: typesOf(types),
    format: oneOf('format', format, FORMATS),
    rate: rateOf(rate),
    handshake: booleanOf('handshake', handshake),
    description: descriptionOf(description),
  };
  return { settings, secret: secretOf(body, isSecret) };
}

/** Parses PATCH: returns only the members that were sent. @throws Refusal as `parseCreation` */
export async function parseChange(raw: Request): Promise<Change> {
  const body = await bodyOf(raw, [...SETTINGS, 'enabled']);
  return {
    ...('url' in body ? { url: urlOf(body.url) } : {}),
    ...('channels' in body ? { channels: patternsOf(body.channels) } : {}),
    ...('types' in body ? { types: typesOf(body.types) } : {}),
    ...('format' in body ? { format: oneOf('format', body.format, FORMATS) } : {}),
    ...('rate' in body ? { rate: rateOf(body.rate) } : {}),
    ...('handshake' in body ? { handshake: booleanOf('handshake', body.handshake) } : {}),
    ...('description' in body ? { description: descriptionOf(body.description) } : {}),
    ...('enabled' in body ? { enabled: booleanOf('enabled', body.enabled) } : {}),
  };
}

/** Parses a rotation: returns the secret that the caller brings, if any. @throws Refusal as `parseCreation` */
export async function parseRotation(raw: Request, isSecret: IsSecret): Promise<string | undefined> {
  return secretOf(await optionalBodyOf(raw, ['secret']), isSecret);
}

/** Refuses a body with members, for a request that its path describes completely. @throws Refusal as `parseCreation` */
export async function refuseMembers(raw: Request): Promise<void> {
  await optionalBodyOf(raw, []);
}

/** Parses a replay: a channel, and an offset or a time. @throws Refusal as `parseCreation`, bad_offset */
export async function parseReplay(
  raw: Request,
): Promise<{ readonly channel: string; readonly from: ReplayFrom }> {
  const { channel, offset, since } = await bodyOf(raw, ['channel', 'offset', 'since']);
  if (typeof channel !== 'string')
    throw new Refusal('bad_channel', `channel must be the name of a channel, got ${shown(channel)}`);
  refuseBadName(channel);
  if ((offset === undefined) === (since === undefined))
    throw new Refusal('bad_request', 'send offset or since, one of them');
  return { channel, from: since === undefined ? offsetOf(offset) : { since: timeOf('since', since) } };
}

/** Parses a recovery: returns its `since`, in milliseconds since 1970. @throws Refusal as `parseCreation` */
export async function parseRecovery(raw: Request): Promise<number> {
  const { since } = await bodyOf(raw, ['since']);
  return timeOf('since', since);
}

/** Parses a page of a list: the id to continue after (empty: from the first) and its size. @throws Refusal bad_request */
export function parsePage(raw: Request): { readonly after: string; readonly limit: number } {
  const after = queried(raw, 'after') ?? '';
  if (after.length > MAX_ID_LENGTH)
    throw new Refusal('bad_request', `after must be an id of the hub, got ${after.length} characters`);
  const limit = queried(raw, 'limit') ?? String(DEFAULT_PAGE);
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > MAX_PAGE)
    throw new Refusal('bad_request', `limit must be a number from 1 to ${MAX_PAGE}, got ${shown(limit)}`);
  return { after, limit: Number(limit) };
}

/** Parses the query of a list of deliveries. @throws Refusal bad_request */
export function parseDeliveryQuery(raw: Request): DeliveryQuery {
  const status = queried(raw, 'status');
  return {
    ...parsePage(raw),
    status: status === undefined ? undefined : oneOf('status', status, DELIVERY_STATUSES),
  };
}

/** Returns a value of the query. An empty value counts as absent. */
const queried = (raw: Request, name: string): string | undefined => parameterOf(raw, name) || undefined;

/** Returns the members of a JSON object. @throws Refusal too_large, bad_json, bad_request */
async function bodyOf(raw: Request, known: readonly string[]): Promise<Fields> {
  const bytes = await raw.bytes();
  if (bytes.byteLength > MAX_WEBHOOK_REQUEST_BYTES)
    throw new Refusal(
      'too_large',
      `a request may be ${MAX_WEBHOOK_REQUEST_BYTES} bytes, got ${bytes.byteLength}`,
    );
  return membersOf(parseJson(bytes), known);
}

async function optionalBodyOf(raw: Request, known: readonly string[]): Promise<Fields> {
  return raw.body === null ? {} : await bodyOf(raw, known);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // The error of the parser quotes the body, which may contain a secret.
    throw new Refusal('bad_json', 'the body is not valid JSON in UTF-8');
  }
}

function membersOf(value: unknown, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal('bad_request', 'the body must be a JSON object');
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const allowed = known.length === 0 ? 'there are none' : `the members are ${known.join(', ')}`;
    throw new Refusal('bad_request', `no member ${shown(unknown)} here: ${allowed}`);
  }
  return { ...value };
}

/** The caller of this function checks the rest of the URL. */
function urlOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new Refusal('bad_request', `url must be text, got ${shown(value)}`);
}

function descriptionOf(value: unknown): string {
  // Half of a surrogate pair is no text, and a store may change it.
  if (typeof value === 'string' && value.length <= MAX_DESCRIPTION_LENGTH && value.isWellFormed())
    return value;
  const got = typeof value === 'string' ? `${value.length}` : shown(value);
  throw new Refusal(
    'bad_request',
    `description must be text of at most ${MAX_DESCRIPTION_LENGTH} characters, got ${got}`,
  );
}

function patternsOf(value: unknown): readonly string[] {
  const patterns = listOf('channels', value, 1, MAX_WEBHOOK_CHANNELS);
  const isOne = (pattern: unknown): pattern is string => typeof pattern === 'string' && isPattern(pattern);
  const wrong = patterns.find((pattern) => !isOne(pattern));
  if (wrong !== undefined)
    throw new Refusal(
      'bad_channel',
      `channels must be names of channels, names followed by /*, or *, got ${shown(wrong)}`,
    );
  return patterns.filter(isOne);
}

function typesOf(value: unknown): readonly string[] {
  const types = listOf('types', value, 0, MAX_WEBHOOK_TYPES);
  const isOne = (type: unknown): type is string =>
    typeof type === 'string' &&
    type.length <= MAX_TYPE_LENGTH &&
    isType(type.endsWith('.*') ? type.slice(0, -2) : type);
  const wrong = types.find((type) => !isOne(type));
  if (wrong !== undefined)
    throw new Refusal(
      'bad_request',
      `types must be of letters, digits, "_" and ".", maybe ending in ".*", at most ${MAX_TYPE_LENGTH} characters, got ${shown(wrong)}`,
    );
  return types.filter(isOne);
}

function listOf(name: string, value: unknown, fewest: number, most: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length < fewest || value.length > most) {
    const got = Array.isArray(value) ? String(value.length) : shown(value);
    throw new Refusal('bad_request', `${name} must be a list of ${fewest} to ${most}, got ${got}`);
  }
  if (new Set(value).size < value.length) throw new Refusal('bad_request', `${name} must each be there once`);
  // JSON has no undefined, so `find` returns undefined only for "not found".
  return value;
}

function oneOf<T extends string>(name: string, value: unknown, known: readonly T[]): T {
  const one = known.find((candidate) => candidate === value);
  if (one !== undefined) return one;
  throw new Refusal('bad_request', `${name} must be one of ${known.join(', ')}, got ${shown(value)}`);
}

/** `null` removes the limit. */
function rateOf(value: unknown): number | undefined {
  if (value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_WEBHOOK_RATE)
    return value;
  throw new Refusal(
    'bad_request',
    `rate must be a whole number from 1 to ${MAX_WEBHOOK_RATE}, or null for none, got ${shown(value)}`,
  );
}

function booleanOf(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new Refusal('bad_request', `${name} must be true or false, got ${shown(value)}`);
}

/** The refusal does not repeat the value: it may be a secret with a typing mistake. */
function secretOf({ secret }: Fields, isSecret: IsSecret): string | undefined {
  if (secret === undefined) return undefined;
  if (typeof secret === 'string' && isSecret(secret)) return secret;
  throw new Refusal(
    'bad_request',
    `secret must be whsec_ and the base64 of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes`,
  );
}

function offsetOf(value: unknown): 'beginning' | Exclude<ReturnType<typeof parseOffset>, undefined> {
  if (value === '-1') return 'beginning';
  const position = typeof value === 'string' ? parseOffset(value) : undefined;
  if (position && !position.foldEnd) return position;
  throw new Refusal(
    'bad_offset',
    `offset must be 16 digits as given by Stream-Next-Offset, or "-1", got ${shown(value)}`,
  );
}
