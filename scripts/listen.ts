/**
 * `npm run listen`: prints messages as they are published.
 * @module
 */
import { once } from 'node:events';
import { connect } from '../client/index.ts';
import { isTransport, TRANSPORTS } from '../client/transports/failover.ts';
import { command, UsageError } from './cli.ts';
import { readLocalHub } from './hub/local-file.ts';

const HELP = `usage: npm run listen -- --channel NAME [OPTIONS]

Prints each message of a channel, or of all channels that a pattern matches, when it comes. It connects to the hub that runs
here (npm start), or to the one that --url names. Ctrl-C ends it.

  --channel NAME   a channel or a pattern: chat/room1, 'chat/*' or '*'
  --offset O       where to begin: an offset, -1 for all that is kept, or now (default); a pattern begins at now
  --via LIST       the transports to use, the first choice first (default ${TRANSPORTS.join(',')})
  --url URL        the hub
  --token TOKEN    the token to send (default: the token of the hub that runs here)`;

const OPTIONS = {
  channel: { type: 'string' },
  offset: { type: 'string' },
  via: { type: 'string' },
  url: { type: 'string' },
  token: { type: 'string' },
} as const;

const print = (line: string): void => void process.stdout.write(`${line}\n`);
/** Notes go to standard error, so that standard output has only messages. */
const note = (line: string): void => void process.stderr.write(`${line}\n`);

await command(HELP, OPTIONS, async ({ channel, offset, via, url, token }) => {
  if (channel === undefined) throw new UsageError('--channel is missing');
  const transports = via?.split(',').map((name) => {
    if (!isTransport(name)) throw new UsageError(`--via has ${name}, it must be of ${TRANSPORTS.join(', ')}`);
    return name;
  });
  if (channel.endsWith('*') && transports && !transports.includes('websocket'))
    throw new UsageError('a pattern needs websocket, so --via must have it');
  const local = readLocalHub();
  const at = url ?? local?.url;
  if (at === undefined)
    throw new UsageError('no hub runs here: start one with npm start, or name one with --url');
  if (!/^https?:\/\//.test(at) || !URL.canParse(at))
    throw new UsageError(`--url is ${at}, it must be a URL that begins with http:// or https://`);
  note(`looking for ${channel} at ${at} …`);
  const hub = connect({
    url: at,
    token: token ?? (url === undefined ? local?.token : undefined),
    transports,
  });
  const ended = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ended.abort());
  hub.subscribe(channel, {
    offset,
    onMessages: ({ channel: from, messages, next, closed }) => {
      for (const message of messages) print(`${from} ${JSON.stringify(message)}`);
      if (closed) note(`${from} is closed at ${next}`);
      if (closed && from === channel) ended.abort();
    },
    onTransport: (name) => note(`listening to ${channel} by ${name}`),
    onState(state) {
      if (state.state === 'offline')
        note(`${at} cannot be reached (${state.error.message}); the client tries again`);
    },
    onError({ code, message, channel: about }) {
      note(`${about ?? channel}: ${code}: ${message}`);
      if (about !== undefined || code === 'unavailable') return;
      process.exitCode = 1;
      ended.abort();
    },
  });
  if (!ended.signal.aborted) await once(ended.signal, 'abort');
  hub.close();
});
