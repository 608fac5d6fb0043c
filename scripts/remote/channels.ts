/**
 * `npm run channels`: lists, describes, closes and deletes channels.
 * @module
 */
import type { Capability } from '../../protocol/capability.ts';
import { isChannelName } from '../../protocol/channel-name.ts';
import { type Fields, fieldsOf } from '../../protocol/fields.ts';
import { STREAM_CLOSED, STREAM_EXPIRES_AT, STREAM_NEXT_OFFSET, STREAM_TTL } from '../../protocol/headers.ts';
import { MAX_MESSAGES } from '../../protocol/limits.ts';
import { commandWithWords, UsageError } from '../cli.ts';
import { confirm } from '../terminal/confirm.ts';
import { jsonLine, printable } from '../terminal/printable.ts';
import { membersOf, tableOf } from '../terminal/table.ts';
import { note, waitFor } from '../terminal/waiting.ts';
import { ask, membersIn, NoAnswer } from './ask.ts';
import { findRemoteHub, HUB_HELP, HUB_OPTIONS, type RemoteHub } from './remote-hub.ts';

const HELP = `usage: npm run channels [-- COMMAND] [OPTIONS]

  list                    lists all channels, or those below --prefix (default)
  describe CHANNEL        prints the content type, the end, the lifetime, and whether it is closed
  close CHANNEL           closes it for good: its messages stay, and nothing can be published any more
  delete CHANNEL          deletes it with all messages

  --prefix P       the channels whose names begin with P, such as chat/
  --yes            closes or deletes without a question
  --json           prints one JSON value in each line
${HUB_HELP}

The exit code is 0 if it is done, 1 if the hub refuses or cannot be reached, and 2 for a mistake in the command.`;

const OPTIONS = {
  prefix: { type: 'string' },
  yes: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  ...HUB_OPTIONS,
} as const;

const COMMANDS = ['list', 'describe', 'close', 'delete'];

const print = (line: string): void => void process.stdout.write(`${line}\n`);

await commandWithWords(HELP, OPTIONS, async (flags, [verb = 'list', name, extra]) => {
  const { prefix, yes, json } = flags;
  if (!COMMANDS.includes(verb)) throw new UsageError(`"${verb}" must be one of ${COMMANDS.join(', ')}`);
  if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many`);
  if (verb === 'list') {
    if (name !== undefined) throw new UsageError(`list takes --prefix, such as --prefix ${name}`);
    return await list(await findRemoteHub(flags, below(prefix)), prefix, json);
  }
  if (prefix !== undefined) throw new UsageError(`--prefix goes with list, not with ${verb}`);
  if (name === undefined || !isChannelName(name))
    throw new UsageError(`the channel is ${name ?? 'missing'}, it must be a name such as chat/room1`);
  if (verb === 'describe') return await describe(await findRemoteHub(flags, readOf(name)), name, json);
  const isDelete = verb === 'delete';
  const loss = isDelete ? 'with all its messages' : 'for good, so that nothing can be published there';
  const hub = await findRemoteHub(flags, {
    ...readOf(name),
    [name]: [isDelete ? 'manage' : 'publish', 'subscribe'],
  });
  await confirm(`${isDelete ? 'Delete' : 'Close'} ${name} at ${hub.url} ${loss}?`, yes);
  await (isDelete ? remove(hub, name) : close(hub, name));
  print(json ? jsonLine({ channel: name, done: verb }) : `${name} is ${isDelete ? 'deleted' : 'closed'}`);
});

function below(prefix = ''): Capability {
  return { [`${prefix}*`]: ['manage'] };
}

function readOf(name: string): Capability {
  return { [name]: ['subscribe'] };
}

/** Prints all pages. JSON is printed page by page. A table is printed at the end, because its columns depend on all rows. */
async function list(hub: RemoteHub, prefix: string | undefined, isJson: boolean): Promise<void> {
  const channels: Fields[] = [];
  let found = 0;
  const pages = async (): Promise<void> => {
    for await (const page of pagesOf(hub, prefix)) {
      found += page.length;
      if (isJson) for (const channel of page) print(jsonLine(channel));
      else channels.push(...page);
    }
  };
  await waitFor('listing channels', pages(), { howFar: () => `${found.toLocaleString('en')} so far` });
  if (isJson) return;
  if (found === 0) return note(`no channel${prefix === undefined ? '' : ` below ${prefix}`} at ${hub.url}`);
  const rows = channels
    .map(({ channel, contentType, offset, ...more }) => [
      String(channel),
      String(contentType),
      String(offset),
      stateOf(more),
    ])
    .sort(([one = ''], [other = '']) => (one < other ? -1 : 1));
  const heads = [
    { head: 'CHANNEL', isCut: true },
    { head: 'TYPE', isCut: true },
    { head: 'END' },
    { head: 'STATE' },
  ];
  for (const line of tableOf(heads, rows)) print(line);
}

async function* pagesOf(hub: RemoteHub, prefix: string | undefined): AsyncGenerator<Fields[]> {
  let after: string | undefined;
  do {
    const query = new URLSearchParams({
      limit: String(MAX_MESSAGES),
      ...(prefix === undefined ? {} : { prefix }),
      ...(after === undefined ? {} : { after }),
    });
    const doing = `listing channels${prefix === undefined ? '' : ` below ${prefix}`}`;
    const page = await membersIn(await ask(hub, `/channels?${query}`, { doing, needs: below(prefix) }));
    if (!Array.isArray(page.channels))
      throw new Error(`${hub.url} answered no list of channels: check --url`);
    yield page.channels.map(fieldsOf);
    after = typeof page.next === 'string' ? page.next : undefined;
  } while (after !== undefined);
}

function stateOf({ closed, ttlSeconds, expiresAt }: Fields): string {
  const states = [
    ...(closed === true ? ['closed'] : []),
    ...(ttlSeconds === undefined ? [] : [`ends ${ttlSeconds} s after use`]),
    ...(expiresAt === undefined ? [] : [`ends ${expiresAt}`]),
  ];
  return states.length === 0 ? 'open' : states.join(', ');
}

async function describe(hub: RemoteHub, channel: string, isJson: boolean): Promise<void> {
  const { headers } = await head(hub, channel);
  const of = (name: string): string | undefined => headers.get(name) ?? undefined;
  const ttl = of(STREAM_TTL);
  const described = {
    channel,
    contentType: of('content-type'),
    offset: of(STREAM_NEXT_OFFSET),
    closed: of(STREAM_CLOSED)?.toLowerCase() === 'true',
    ttlSeconds: ttl === undefined ? undefined : Number(ttl),
    expiresAt: of(STREAM_EXPIRES_AT),
  };
  if (isJson) return print(jsonLine(described));
  const { contentType, offset, closed } = described;
  // The hub describes a channel that the first publish would make like an empty one (PROTOCOL.md §2).
  const isUnused = offset !== undefined && /^0+$/.test(offset) && !closed;
  const members = {
    channel,
    type: contentType,
    end: offset,
    state: isUnused ? 'empty, or not made yet' : stateOf(described),
  };
  for (const line of membersOf(members)) print(printable(line));
}

async function head(hub: RemoteHub, channel: string): Promise<Response> {
  const question = { doing: `describing ${channel}`, needs: readOf(channel) };
  try {
    return await ask(hub, `/channels/${channel}`, { ...question, method: 'HEAD' });
  } catch (error) {
    if (error instanceof NoAnswer) throw error;
    // The refusal of a HEAD has no body, and so no reason. That of a GET has one.
    return await ask(hub, `/channels/${channel}?offset=now`, question);
  }
}

/** The publish that closes a channel needs its content type. */
async function close(hub: RemoteHub, channel: string): Promise<void> {
  const type = (await head(hub, channel)).headers.get('content-type') ?? 'application/json';
  const headers = { 'Content-Type': type, [STREAM_CLOSED]: 'true' };
  const needs = { [channel]: ['publish', 'subscribe'] } as const;
  await ask(hub, `/channels/${channel}`, { method: 'POST', headers, doing: `closing ${channel}`, needs });
}

async function remove(hub: RemoteHub, channel: string): Promise<void> {
  const needs = { [channel]: ['manage'] } as const;
  await ask(hub, `/channels/${channel}`, { method: 'DELETE', doing: `deleting ${channel}`, needs });
}
