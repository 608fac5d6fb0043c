/**
 * Endpoints: created, looked at, changed, stopped and removed (PROTOCOL.md §13.1).
 *
 * An endpoint is a row, and one registration for each of its patterns. A crash between the two must never leave a
 * registration that nobody can see: so the row comes first and goes last.
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { MAX_WEBHOOKS, MAX_WEBHOOKS_PER_CALLER, SECRET_OVERLAP_MS } from '../../protocol/limits.ts';
import { settleAll } from '../hub/settle-all.ts';
import { askHandshake, wakeOwner } from './delivery-requests.ts';
import type { Endpoint } from './endpoint.ts';
import { healthSince } from './health.ts';
import type { Health, Managing } from './webhook-ports.ts';

/** What its owner decides of an endpoint. */
export type Settings = Pick<
  Endpoint,
  'url' | 'channels' | 'types' | 'format' | 'description' | 'rate' | 'handshake'
>;

/** What is to be other than it was. */
export interface Change extends Partial<Settings> {
  /** False stops it, true has it tried again. */
  readonly enabled?: boolean;
}

/** An endpoint and its secret, for the only two answers that have it. */
export interface WithSecret {
  readonly endpoint: Endpoint;
  readonly secret: string;
}

/** True for an endpoint that the caller may know of. */
export type Sees = (endpoint: Endpoint) => boolean;

/**
 * Rows of one look at the store. DynamoDB answers 1 MB at most, and an endpoint with all that it may have is 8 KB.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
 */
const LOOK_ROWS = 100;

/**
 * @param by whose it is, and the secret that it is to have; one is made if there is none
 * @throws Refusal too_many_webhooks
 */
export async function createEndpoint(
  managing: Managing,
  settings: Settings,
  by: { readonly principal: string | undefined; readonly secret: string | undefined },
): Promise<WithSecret> {
  const { endpoints, sealer: vault, clock, newId } = managing;
  await refuseTooMany(managing, by.principal);
  const id = `ep_${newId().replaceAll('-', '')}`;
  const secret = by.secret ?? vault.newSecret();
  const now = clock();
  const endpoint: Endpoint = {
    ...settings,
    id,
    status: settings.handshake ? 'pending' : 'enabled',
    reason: undefined,
    principal: by.principal,
    createdAt: now,
    enabledAt: now,
    sealed: await vault.seal(id, { current: secret, previous: undefined }),
    version: 1,
  };
  // A row that is not registered gets nothing, and its creator got no answer. The other way round nobody could see it.
  await endpoints.create(endpoint);
  await listen(managing, endpoint, now);
  if (endpoint.status === 'pending') await askHandshake(managing, endpoint);
  return { endpoint, secret };
}

/** Two that come at the same moment may both be the last one: the limit is against waste, not for bookkeeping. */
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

/** Those after an id that the caller sees, and the id to go on after if there are more. */
export async function listEndpoints(
  managing: Managing,
  sees: Sees,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<{ readonly endpoints: readonly Endpoint[]; readonly next: string | undefined }> {
  const found: Endpoint[] = [];
  for await (const endpoint of everyEndpoint(managing, after)) {
    if (!sees(endpoint)) continue;
    // One more than asked for, so that no answer says anything of the endpoints of others, not even that there are some.
    if (found.length === limit) return { endpoints: found, next: found.at(-1)?.id };
    found.push(endpoint);
  }
  return { endpoints: found, next: undefined };
}

/** @throws Refusal webhook_not_found, also for one that the caller may not know of */
export async function readEndpoint({ endpoints }: Managing, id: string, sees: Sees): Promise<Endpoint> {
  const endpoint = await endpoints.get(id);
  if (endpoint && sees(endpoint)) return endpoint;
  throw notFound();
}

export const notFound = (): Refusal =>
  new Refusal('webhook_not_found', 'no such endpoint, or not one of yours');

/** How it is doing, by what is held against it. */
export const healthOf = async ({ leases }: Managing, { id, enabledAt }: Endpoint): Promise<Health> =>
  healthSince(await leases.health(id), enabledAt);

/** @throws Refusal webhook_conflict */
export async function changeEndpoint(
  managing: Managing,
  before: Endpoint,
  { enabled, ...settings }: Change,
): Promise<Endpoint> {
  const now = managing.clock();
  const wanted = { ...before, ...settings };
  const standing = standingOf(before, wanted, enabled);
  // What is known of another URL says nothing of this one.
  const isFresh = enabled || wanted.url !== before.url || standing.status !== before.status;
  const enabledAt = isFresh ? now : before.enabledAt;
  const after = { ...wanted, ...standing, enabledAt, version: before.version + 1 };
  // Before the row says so: whoever reads the row may rely on it. All of them, since an earlier moment stays, and a
  // creation that died halfway is mended.
  if (settings.channels) await listen(managing, after, now);
  // What was registered for it stays: a third change at this moment may want the very same. Whoever is left messages by a
  // pattern that is not his drops them.
  if (!(await managing.endpoints.replace(after))) throw changedMeanwhile();
  await unlisten(managing, before.id, without(before.channels, after.channels));
  const isAsked = after.status === 'pending' && (before.status !== 'pending' || after.url !== before.url);
  if (isAsked) await askHandshake(managing, after);
  // What waits for the endpoint to be left alone no longer has a reason to.
  if (isFresh && after.status === 'enabled') await wakeOwner(managing, after);
  return after;
}

/**
 * Whether it gets messages after a change. Nothing that asks for a handshake is enabled by anybody but the endpoint: the
 * row does not say whether it once agreed, so that one that was stopped is asked again.
 */
function standingOf(
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

/** Has it tried again, as if it had never failed. @throws Refusal webhook_conflict */
export const enableEndpoint = async (managing: Managing, endpoint: Endpoint): Promise<Endpoint> =>
  await changeEndpoint(managing, endpoint, { enabled: true });

/** Removes it; nothing more is begun. */
export async function removeEndpoint(managing: Managing, { id, channels }: Endpoint): Promise<void> {
  await unlisten(managing, id, channels);
  await managing.endpoints.remove(id);
}

/** Another secret, given or made; the one before signs as well for a while. @throws Refusal webhook_conflict */
export async function rotateSecret(
  { endpoints, sealer: vault, clock }: Managing,
  before: Endpoint,
  given: string | undefined,
): Promise<WithSecret> {
  const { current } = await vault.open(before.id, before.sealed);
  const secret = given ?? vault.newSecret();
  const previous = { secret: current, until: clock() + SECRET_OVERLAP_MS };
  const sealed = await vault.seal(before.id, { current: secret, previous });
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
