/**
 * Creates, reads, changes, enables and removes endpoints (PROTOCOL.md §13.1).
 *
 * An endpoint is a row, and one registration for each of its patterns. A crash between the two must not leave a
 * registration without a row, which nobody could see. So the row is written first and removed last.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { MAX_WEBHOOKS, MAX_WEBHOOKS_PER_CALLER, SECRET_OVERLAP_MS } from '../../protocol/limits.ts';
import { settleAll } from '../hub/settle-all.ts';
import { askHandshake, wakeOwner } from './delivery-requests.ts';
import type { Endpoint } from './endpoint.ts';
import { HEALTHY, healthSince } from './health.ts';
import type { Managing } from './webhook-ports.ts';
import type { Health } from './webhook-stores.ts';

/** The members of an endpoint that the caller sets. */
export type Settings = Pick<
  Endpoint,
  'url' | 'channels' | 'types' | 'format' | 'description' | 'rate' | 'handshake'
>;

/** The settings that a change replaces. */
export interface Change extends Partial<Settings> {
  /** False disables the endpoint, true enables it again. */
  readonly enabled?: boolean;
}

/** An endpoint and its secret, for the only two answers that show it: to creation and to rotation. */
export interface WithSecret {
  /** The endpoint after the change. */
  readonly endpoint: Endpoint;
  /** `whsec_` and base64. */
  readonly secret: string;
}

/** Returns true if the caller may know of the endpoint. */
export type Sees = (endpoint: Endpoint) => boolean;

/**
 * Rows of one page of the store. DynamoDB answers at most 1 MB, and the largest endpoint has 8 KB.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
 */
const LOOK_ROWS = 100;

/**
 * Creates an endpoint and registers it for its patterns.
 * @param by the caller, and the secret that it wants; without one the hub makes a secret
 * @throws Refusal too_many_webhooks
 */
export async function createEndpoint(
  managing: Managing,
  settings: Settings,
  by: { readonly principal: string | undefined; readonly secret: string | undefined },
): Promise<WithSecret> {
  const { endpoints, sealer, clock, newId } = managing;
  await refuseTooMany(managing, by.principal);
  const id = `ep_${newId().replaceAll('-', '')}`;
  const secret = by.secret ?? sealer.newSecret();
  const now = clock();
  const endpoint: Endpoint = {
    ...settings,
    id,
    status: settings.handshake ? 'pending' : 'enabled',
    reason: undefined,
    principal: by.principal,
    createdAt: now,
    enabledAt: now,
    sealed: await sealer.seal(id, { current: secret, previous: undefined }),
    version: 1,
  };
  // After a crash here the row is not registered: it receives nothing, and its caller received no answer.
  await endpoints.create(endpoint);
  await listen(managing, endpoint, now);
  if (endpoint.status === 'pending') await askHandshake(managing, endpoint);
  return { endpoint, secret };
}

/** Two requests at the same moment may both take the last place. The limit prevents waste and need not be exact. */
async function refuseTooMany(managing: Managing, principal: string | undefined): Promise<void> {
  let total = 0;
  let own = 0;
  for await (const endpoint of everyEndpoint(managing, '')) {
    total++;
    if (endpoint.principal === principal) own++;
    if (own >= MAX_WEBHOOKS_PER_CALLER)
      throw new Refusal(
        'too_many_webhooks',
        `a caller may have ${MAX_WEBHOOKS_PER_CALLER} endpoints at the most, and has ${own}`,
      );
    if (total >= MAX_WEBHOOKS)
      throw new Refusal(
        'too_many_webhooks',
        `a hub may have ${MAX_WEBHOOKS} endpoints at the most, and has ${total}`,
      );
  }
}

async function* everyEndpoint({ endpoints }: Managing, after: string): AsyncGenerator<Endpoint> {
  for (let last: string | undefined = after; last !== undefined; ) {
    const page: Awaited<ReturnType<typeof endpoints.page>> = await endpoints.page(last, LOOK_ROWS);
    yield* page.endpoints;
    last = page.more ? page.endpoints.at(-1)?.id : undefined;
  }
}

/** Returns at most `limit` endpoints after an id that the caller may see, and the `after` of the next page, if any. */
export async function listEndpoints(
  managing: Managing,
  sees: Sees,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<{ readonly endpoints: readonly Endpoint[]; readonly next: string | undefined }> {
  const found: Endpoint[] = [];
  for await (const endpoint of everyEndpoint(managing, after)) {
    if (!sees(endpoint)) continue;
    // `next` depends on one more visible endpoint, so that no answer reveals that other callers have endpoints.
    if (found.length === limit) return { endpoints: found, next: found.at(-1)?.id };
    found.push(endpoint);
  }
  return { endpoints: found, next: undefined };
}

/** Returns the endpoint. @throws Refusal webhook_not_found, also if the caller may not know of it */
export async function readEndpoint({ endpoints }: Managing, id: string, sees: Sees): Promise<Endpoint> {
  const endpoint = await endpoints.get(id);
  if (endpoint && sees(endpoint)) return endpoint;
  throw notFound();
}

/**
 * Returns the refusal for an endpoint that does not exist or is not visible. Both read alike, so that ids cannot be
 * tested.
 */
export const notFound = (): Refusal =>
  new Refusal('webhook_not_found', 'no such endpoint, or not one of yours');

/** Returns the health of the endpoint, without the failures before it was enabled. */
export const healthOf = async ({ leases }: Managing, { id, enabledAt }: Endpoint): Promise<Health> =>
  healthSince((await leases.get(id))?.health ?? HEALTHY, enabledAt);

/**
 * Changes an endpoint.
 * @param before the version that the caller saw
 * @throws Refusal webhook_conflict if another change came first, or the state does not allow this one
 */
export async function changeEndpoint(
  managing: Managing,
  before: Endpoint,
  { enabled, ...settings }: Change,
): Promise<Endpoint> {
  const now = managing.clock();
  const wanted = { ...before, ...settings };
  const state = stateAfter(before, wanted, enabled);
  // The failures of another URL say nothing about this one.
  const isFresh = enabled || wanted.url !== before.url || state.status !== before.status;
  const enabledAt = isFresh ? now : before.enabledAt;
  const after = { ...wanted, ...state, enabledAt, version: before.version + 1 };
  // Registered before the row is written, so that a reader of the row can rely on it. All patterns are registered, not only
  // the new ones: an earlier moment stays, and a creation that a crash interrupted is completed.
  if (settings.channels) await listen(managing, after, now);
  // The registrations stay after a conflict, since a third change at this moment may need the same ones. The owner of the
  // endpoint drops messages of a pattern that the endpoint does not have.
  if (!(await managing.endpoints.replace(after))) throw changedMeanwhile();
  await unlisten(managing, before.id, without(before.channels, after.channels));
  const isAsked = after.status === 'pending' && (before.status !== 'pending' || after.url !== before.url);
  if (isAsked) await askHandshake(managing, after);
  // The backoff ends with the change, so deliveries that wait for it can go now.
  if (isFresh && after.status === 'enabled') await wakeOwner(managing, after);
  return after;
}

/**
 * Returns the state after a change. An endpoint with a handshake is only enabled by its own agreement. The row does not say
 * whether it agreed earlier, so an endpoint that was disabled is asked again.
 */
function stateAfter(
  before: Endpoint,
  wanted: Endpoint,
  enabled: boolean | undefined,
): Pick<Endpoint, 'status' | 'reason'> {
  if (enabled === false) return { status: 'disabled', reason: 'asked' };
  if (before.status === 'disabled' && !enabled) return { status: 'disabled', reason: before.reason };
  if (!wanted.handshake) return { status: 'enabled', reason: undefined };
  if (enabled && before.status === 'pending')
    throw new Refusal('webhook_conflict', 'the endpoint has not agreed yet: POST …/handshake asks it again');
  const hasAgreed = before.status === 'enabled' && before.handshake && before.url === wanted.url;
  return { status: hasAgreed ? 'enabled' : 'pending', reason: undefined };
}

/** Enables the endpoint, as if it had never failed. @throws Refusal webhook_conflict */
export const enableEndpoint = async (managing: Managing, endpoint: Endpoint): Promise<Endpoint> =>
  await changeEndpoint(managing, endpoint, { enabled: true });

/** Removes the endpoint. A delivery pass that is under way may still send for some seconds. */
export async function removeEndpoint(managing: Managing, { id, channels }: Endpoint): Promise<void> {
  await unlisten(managing, id, channels);
  await managing.endpoints.remove(id);
}

/**
 * Replaces the secret. The previous one also signs for SECRET_OVERLAP_MS.
 * @param given the new secret; undefined if the hub is to make one
 * @throws Refusal webhook_conflict if another change came first
 */
export async function rotateSecret(
  { endpoints, sealer, clock }: Managing,
  before: Endpoint,
  given: string | undefined,
): Promise<WithSecret> {
  const { current } = await sealer.open(before.id, before.sealed);
  const secret = given ?? sealer.newSecret();
  const previous = { secret: current, until: clock() + SECRET_OVERLAP_MS };
  const sealed = await sealer.seal(before.id, { current: secret, previous });
  const endpoint = { ...before, sealed, version: before.version + 1 };
  if (!(await endpoints.replace(endpoint))) throw changedMeanwhile();
  return { endpoint, secret };
}

const changedMeanwhile = (): Refusal =>
  new Refusal('webhook_conflict', 'the endpoint was changed meanwhile: read it again');

async function listen({ endpoints }: Managing, { id, channels }: Endpoint, since: number): Promise<void> {
  await settleAll(channels.map((pattern) => endpoints.listen(id, pattern, since)));
}

async function unlisten(
  { endpoints, clock }: Managing,
  id: string,
  patterns: readonly string[],
): Promise<void> {
  await settleAll(patterns.map((pattern) => endpoints.unlisten(id, pattern, clock())));
}

const without = (patterns: readonly string[], others: readonly string[]): readonly string[] =>
  patterns.filter((pattern) => !others.includes(pattern));
