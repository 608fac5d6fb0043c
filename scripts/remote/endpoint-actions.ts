/**
 * What `npm run endpoints` does, by the word after it.
 * @module
 */
import { isChannelName, isPattern } from '../../protocol/channel-name.ts';
import type { Fields } from '../../protocol/fields.ts';
import { UsageError } from '../cli.ts';
import { confirm } from '../terminal/confirm.ts';
import { jsonLine } from '../terminal/printable.ts';
import { note } from '../terminal/waiting.ts';
import { attemptsIn, callHub, listAll, outcomeOf } from './endpoint-calls.ts';
import { deliveryInDetail, deliveryLines, endpointInDetail, endpointLines } from './endpoint-lines.ts';
import type { RemoteHub } from './remote-hub.ts';

/** What was asked: the words and the options of the command. */
export interface Asked {
  readonly hub: RemoteHub;
  /** The id of the endpoint; empty if there is none. */
  readonly endpoint: string;
  /** The id of the delivery; empty if there is none. */
  readonly id: string;
  /** All words after the name of the action. */
  readonly words: readonly string[];
  readonly channel: string | undefined;
  readonly offset: string | undefined;
  /** RFC 3339. */
  readonly since: string | undefined;
  readonly status: string | undefined;
  /** The most deliveries to print. */
  readonly last: number;
  /** True: nothing is asked before something is lost. */
  readonly isSure: boolean;
  readonly isJson: boolean;
}

/** One action. */
export interface Action {
  /** The words that it needs. */
  readonly words: readonly string[];
  /** True if more words may follow. */
  readonly isOpen?: boolean;
  /** The options that go with it, beside those of all actions. */
  readonly flags?: readonly string[];
  /** @throws UsageError for what is missing or wrong, before a hub is looked for */
  readonly check?: (asked: Omit<Asked, 'hub'>) => void;
  readonly run: (asked: Asked) => Promise<void>;
}

const STATUSES = ['sending', 'waiting', 'delivered', 'failed', 'skipped', 'expired'];

const ONE = { words: ['ENDPOINT'] } as const;

/** The actions, by name. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  list: { words: [], run: list },
  show: { ...ONE, run: (asked) => change(asked, 'reading', '', {}) },
  add: { words: ['URL', 'PATTERN'], isOpen: true, check: checkNew, run: add },
  deliveries: { ...ONE, flags: ['status', 'last'], check: checkStatus, run: deliveries },
  delivery: { words: ['ENDPOINT', 'ID'], run: delivery },
  test: { ...ONE, run: test },
  retry: { words: ['ENDPOINT', 'ID'], run: retry },
  replay: { ...ONE, flags: ['channel', 'offset', 'since'], check: checkReplay, run: replay },
  recover: { ...ONE, flags: ['since'], check: checkRecover, run: recover },
  // A rotation that was done and is repeated would make the secret that is shown the previous one.
  rotate: {
    ...ONE,
    run: (asked) => change(asked, 'rotating', '/rotate', { method: 'POST', isRepeatable: false }),
  },
  handshake: { ...ONE, run: handshake },
  enable: { ...ONE, run: (asked) => change(asked, 'enabling', '/enable', { method: 'POST' }) },
  disable: {
    ...ONE,
    run: (asked) => change(asked, 'disabling', '', { method: 'PATCH', body: '{"enabled":false}' }),
  },
  remove: { ...ONE, flags: ['yes'], run: remove },
};

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Prints a value as JSON or as lines for people. */
function show(isJson: boolean, value: Fields, lines: () => readonly string[]): void {
  for (const line of isJson ? [jsonLine(value)] : lines()) print(line);
}

const pathOf = ({ endpoint, id }: Asked): string =>
  `/webhooks/${encodeURIComponent(endpoint)}${id === '' ? '' : `/deliveries/${encodeURIComponent(id)}`}`;

async function list({ hub, isJson }: Asked): Promise<void> {
  const endpoints = await listAll(hub, '/webhooks', 'endpoints', Number.POSITIVE_INFINITY);
  if (isJson) for (const endpoint of endpoints) print(jsonLine(endpoint));
  else if (endpoints.length > 0) for (const line of endpointLines(endpoints, Date.now())) print(line);
  else
    note(`no endpoint at ${hub.url} that the token may see: npm run endpoints -- add URL PATTERN makes one`);
}

/** Reads or changes an endpoint, and prints it as it is then. */
async function change(
  asked: Asked,
  verb: string,
  more: string,
  request: { readonly method?: string; readonly body?: string; readonly isRepeatable?: boolean },
): Promise<void> {
  const doing = `${verb} ${asked.endpoint}`;
  const endpoint = await callHub(asked.hub, pathOf(asked) + more, { ...request, doing });
  show(asked.isJson, endpoint, () => endpointInDetail(endpoint, Date.now()));
}

function checkNew({ words: [url = '', ...patterns] }: Omit<Asked, 'hub'>): void {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new UsageError(`the URL is ${url}, it must begin with https://`);
  const wrong = patterns.find((pattern) => !isPattern(pattern));
  if (wrong !== undefined)
    throw new UsageError(`the pattern is ${wrong}, it must be a channel, or like orders/* or *`);
}

async function add({ hub, words: [url, ...channels], isJson }: Asked): Promise<void> {
  const body = JSON.stringify({ url, channels });
  const request = { method: 'POST', body, doing: `adding ${url}`, isRepeatable: false };
  const made = await callHub(hub, '/webhooks', request);
  show(isJson, made, () => endpointInDetail(made, Date.now()));
}

function checkStatus({ status }: Omit<Asked, 'hub'>): void {
  if (status !== undefined && !STATUSES.includes(status))
    throw new UsageError(`--status is ${status}, it must be one of ${STATUSES.join(', ')}`);
}

async function deliveries(asked: Asked): Promise<void> {
  const query = asked.status === undefined ? '' : `?status=${asked.status}`;
  const found = await listAll(asked.hub, `${pathOf(asked)}/deliveries${query}`, 'deliveries', asked.last);
  if (asked.isJson) for (const each of found) print(jsonLine(each));
  else if (found.length === 0)
    note(`no ${asked.status ?? ''} delivery of ${asked.endpoint}`.replace('  ', ' '));
  else for (const line of deliveryLines(found)) print(line);
}

async function delivery(asked: Asked): Promise<void> {
  const one = await callHub(asked.hub, pathOf(asked), { doing: `reading ${asked.id}` });
  show(asked.isJson, one, () => deliveryInDetail(one));
}

async function test(asked: Asked): Promise<void> {
  const request = { method: 'POST', doing: `testing ${asked.endpoint}`, isRepeatable: false };
  const { delivery: id } = await callHub(asked.hub, `${pathOf(asked)}/test`, request);
  await showOutcome({ ...asked, id: String(id) }, 0);
}

async function retry(asked: Asked): Promise<void> {
  const before = await callHub(asked.hub, pathOf(asked), { doing: `reading ${asked.id}` });
  const request = { method: 'POST', doing: `sending ${asked.id} again`, isRepeatable: false };
  await callHub(asked.hub, `${pathOf(asked)}/retry`, request);
  await showOutcome(asked, attemptsIn(before));
}

/** Waits for the next attempt, and prints the delivery. The exit code is 1 if the endpoint did not accept it. */
async function showOutcome(asked: Asked, attemptsBefore: number): Promise<void> {
  const outcome = await outcomeOf(asked.hub, pathOf(asked), attemptsBefore);
  show(asked.isJson, outcome, () => deliveryInDetail(outcome));
  if (outcome.status !== 'delivered') process.exitCode = 1;
}

function checkReplay({ channel, offset, since }: Omit<Asked, 'hub'>): void {
  if (channel === undefined || !isChannelName(channel))
    throw new UsageError(`--channel is ${channel ?? 'missing'}, it must be a name such as orders/7`);
  if ((offset === undefined) === (since === undefined))
    throw new UsageError(
      'replay needs --offset or --since, and not both: --offset -1 replays all that is kept',
    );
}

async function replay(asked: Asked): Promise<void> {
  const { channel, offset, since } = asked;
  const from = offset === undefined ? `what was published since ${since}` : `from offset ${offset} on`;
  await leave(asked, 'replay', JSON.stringify({ channel, offset, since }), `replaying ${channel}, ${from}`);
}

function checkRecover({ since }: Omit<Asked, 'hub'>): void {
  if (since === undefined)
    throw new UsageError('--since is missing: recover needs a time, such as --since 1d');
}

async function recover(asked: Asked): Promise<void> {
  const doing = `recovering what failed or was skipped since ${asked.since}`;
  await leave(asked, 'recover', JSON.stringify({ since: asked.since }), doing);
}

async function handshake(asked: Asked): Promise<void> {
  await leave(asked, 'handshake', undefined, `asking ${asked.endpoint} whether it wants events`);
}

/** Leaves some work to the hub, which does it after its answer. */
async function leave(asked: Asked, verb: string, body: string | undefined, doing: string): Promise<void> {
  const request = { method: 'POST', doing, isRepeatable: false, ...(body === undefined ? {} : { body }) };
  const answer = await callHub(asked.hub, `${pathOf(asked)}/${verb}`, request);
  show(asked.isJson, { id: asked.endpoint, ...answer, accepted: verb }, () => [`the hub is ${doing}`]);
  note(`npm run endpoints -- deliveries ${asked.endpoint} shows how far it is`);
}

async function remove(asked: Asked): Promise<void> {
  const { hub, endpoint, isSure, isJson } = asked;
  const { url } = await callHub(hub, pathOf(asked), { doing: `reading ${endpoint}` });
  await confirm(`Remove ${endpoint}, which sends to ${String(url)}?`, isSure);
  await callHub(hub, pathOf(asked), { method: 'DELETE', doing: `removing ${endpoint}` });
  show(isJson, { id: endpoint, done: 'remove' }, () => [`${endpoint} is removed`]);
}
