/**
 * `npm run listen` and `npm run tail`: print messages as they are published.
 * @module
 */
import { once } from 'node:events';
import { type Batch, connect, type SubscribeOptions } from '../../client/index.ts';
import { isTransport, TRANSPORTS, type Transport } from '../../client/transports/failover.ts';
import { isChannelName, isPattern } from '../../protocol/channel-name.ts';
import { MAX_MESSAGES } from '../../protocol/limits.ts';
import { commandWithWords, UsageError } from '../cli.ts';
import { jsonLine, printable } from '../terminal/printable.ts';
import { note } from '../terminal/waiting.ts';
import { findRemoteHub, HUB_HELP, HUB_OPTIONS, type RemoteHub } from './remote-hub.ts';

const HELP = `usage: npm run listen -- CHANNEL [OPTIONS]
       npm run tail -- CHANNEL [OPTIONS]

Prints each message of a channel, or of all channels that a pattern matches, when it comes. tail also prints the time of its
arrival, and the offset after it. Ctrl-C ends it.

  CHANNEL          a channel or a pattern: chat/room1, 'chat/*' or '*'; --channel NAME is the same
  --last N         begins with the last N messages, 1 to ${MAX_MESSAGES}; not for a pattern
  --offset O       where to begin: an offset, -1 for all that is kept, or now (default); a pattern begins at now
  --via LIST       the transports to use, the first choice first (default ${TRANSPORTS.join(',')})
  --times          prints times and offsets, as tail does. Messages that come together have the offset after the last of them
  --json           prints {"at","channel","offset","message"} for each message; the offset is null before the last of those
                   that come together
${HUB_HELP}

The exit code is 0 after Ctrl-C or the end of a closed channel, 1 if the hub refuses, and 2 for a mistake in the command.`;

const OPTIONS = {
  channel: { type: 'string' },
  last: { type: 'string' },
  offset: { type: 'string' },
  via: { type: 'string' },
  times: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  ...HUB_OPTIONS,
} as const;

type Form = 'message' | 'times' | 'json';

await commandWithWords(HELP, OPTIONS, async (flags, [word, extra]) => {
  if (extra !== undefined)
    throw new UsageError(`"${extra}" is one word too many: quote a pattern, such as 'chat/*'`);
  if (word !== undefined && flags.channel !== undefined)
    throw new UsageError(`the channel is ${word}, and --channel is ${flags.channel}: give one of them`);
  const channel = flags.channel ?? word;
  if (channel === undefined) throw new UsageError('--channel is missing');
  if (!isChannelName(channel) && !isPattern(channel))
    throw new UsageError(`the channel is ${channel}, it must be like chat/room1, 'chat/*' or '*'`);
  const transports = transportsOf(flags.via);
  const isOfMany = channel.endsWith('*');
  if (isOfMany && transports && !transports.includes('websocket'))
    throw new UsageError('a pattern needs websocket, so --via must have it');
  const last = lastOf(flags.last);
  if (last !== undefined && isOfMany)
    throw new UsageError(`--last is for one channel, and ${channel} is a pattern`);
  if (last !== undefined && flags.offset !== undefined)
    throw new UsageError('--last and --offset do not go together');
  const hub = await findRemoteHub(flags, { [channel]: ['subscribe'] });
  const form = flags.json ? 'json' : flags.times ? 'times' : 'message';
  await listen(hub, channel, transports, { offset: flags.offset, last }, form);
});

function transportsOf(via: string | undefined): Transport[] | undefined {
  return via?.split(',').map((name) => {
    if (!isTransport(name)) throw new UsageError(`--via has ${name}, it must be of ${TRANSPORTS.join(', ')}`);
    return name;
  });
}

function lastOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= MAX_MESSAGES) return number;
  throw new UsageError(`--last is ${text}, it must be a whole number from 1 to ${MAX_MESSAGES}`);
}

/** Prints messages until the channel is closed, the hub refuses, or a signal comes. */
async function listen(
  hub: RemoteHub,
  channel: string,
  transports: readonly Transport[] | undefined,
  start: Pick<SubscribeOptions, 'offset' | 'last'>,
  form: Form,
): Promise<void> {
  const { url, socketUrl, streamUrl, token } = hub;
  note(`looking for ${channel} at ${url} …`);
  const client = connect({ url, socketUrl, streamUrl, token, transports });
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ended.abort());
  client.subscribe(channel, {
    ...start,
    onMessages: (batch) => {
      printBatch(batch, form);
      if (batch.closed) note(`${batch.channel} is closed at ${batch.next}`);
      if (batch.closed && batch.channel === channel) ended.abort();
    },
    onTransport: (name) => note(`listening to ${channel} by ${name}`),
    onState(state) {
      if (state.state === 'offline')
        note(`${url} cannot be reached (${state.error.message}): ${hub.advice}; the client tries again`);
    },
    onError({ code, message, channel: about }) {
      note(`${about ?? channel}: ${code}: ${message}`);
      if (about !== undefined || code === 'unavailable') return;
      process.exitCode = 1;
      ended.abort();
    },
  });
  if (!ended.signal.aborted) await once(ended.signal, 'abort');
  client.close();
}

function printBatch({ channel, messages, next }: Batch, form: Form): void {
  const at = new Date().toISOString();
  messages.forEach((message, index) => {
    const offset = index === messages.length - 1 ? next : null;
    const line =
      form === 'json'
        ? jsonLine({ at, channel, offset, message })
        : `${printable(channel)} ${jsonLine(message)}`;
    const shown = offset ?? ' '.repeat(next.length);
    process.stdout.write(`${form === 'times' ? `${at.slice(11, -1)}  ${shown}  ` : ''}${line}\n`);
  });
}
