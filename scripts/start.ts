/**
 * `npm start`: the whole hub on this machine.
 * @module
 */
import { createServer } from 'node:net';
import { parseCapability } from '../protocol/capability.ts';
import { command, UsageError } from './cli.ts';
import { removeLocalHub, writeLocalHub } from './local-file.ts';
import { startHub } from './local-hub.ts';

const HELP = `usage: npm start [-- OPTIONS]

Runs the whole hub on this machine, from the very template that npm run deploy would deploy.

  --port N                        where to listen (default 8787, or a free port if that is taken)
  --data DIR                      keep channels and keys in DIR (default: in memory)
  --concurrency N                 requests per function process: 1 is classic Lambda (default 64)
  --channel-creation MODE         implicit: channels appear on first use (default); explicit: only PUT makes them
  --anonymous CAPABILITY          what callers without a token may do, such as '{"public/*":["subscribe"]}'
  --help                          this text

When it is ready, .tidings/local.json tells scripts where it is. Ctrl-C stops it and leaves nothing behind.`;

const OPTIONS = {
  port: { type: 'string' },
  data: { type: 'string' },
  concurrency: { type: 'string' },
  'channel-creation': { type: 'string' },
  anonymous: { type: 'string' },
} as const;

const DEFAULT_PORT = 8787;
const MAX_PORT = 65_535;
const MAX_CONCURRENCY = 128;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const bold = (text: string): string => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[22m` : text);

await command(HELP, OPTIONS, async (flags) => {
  const started = performance.now();
  const context: Record<string, unknown> = {};
  if (flags['channel-creation'] !== undefined) {
    context['tidings:channelCreation'] = modeOf(flags['channel-creation']);
  }
  if (flags.anonymous !== undefined) context['tidings:anonymous'] = capabilityOf(flags.anonymous);
  const hub = await startHub({
    port: flags.port === undefined ? await freePort() : numberOf('port', flags.port, MAX_PORT),
    ...(flags.data === undefined ? {} : { data: flags.data }),
    ...(flags.concurrency === undefined
      ? {}
      : { concurrency: numberOf('concurrency', flags.concurrency, MAX_CONCURRENCY) }),
    context,
    log: say,
    progress: (step) => say(`${step} …`),
  });
  const { stack, token } = hub;
  const { url, control, aws, outputs } = stack;
  writeLocalHub({ url, token, pid: process.pid, control, aws, outputs });
  say(welcome(url, token, Math.round(performance.now() - started), flags.data));

  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    say('stopping …');
    removeLocalHub();
    await hub.close();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());
});

function welcome(url: string, token: string, ms: number, data: string | undefined): string {
  const as = `-H 'Authorization: Bearer ${token}'`;
  const json = `-H 'Content-Type: application/json'`;
  return `
${bold('Tidings is ready')} in ${(ms / 1_000).toFixed(1)} s. Ctrl-C stops it; ${data ? `channels are kept in ${data}` : 'what was published is gone then (--data keeps it)'}.

  hub    ${bold(url)}
  token  may do everything for a day; mint others with npm run token -- --help
         ${token}

Paste these: publish one message, publish a batch, read them all back.

curl -i -X POST ${as} ${json} -d '{"text":"hello"}' ${url}/channels/chat/room1

curl -i -X POST ${as} ${json} -d '[{"text":"how"},{"text":"are"},{"text":"you?"}]' ${url}/channels/chat/room1

curl -i ${as} '${url}/channels/chat/room1?offset=-1'
`;
}

/** The default port, or 0 (any free one) if another program has it. */
async function freePort(): Promise<number> {
  const probe = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(DEFAULT_PORT, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
  return isFree ? DEFAULT_PORT : 0;
}

function modeOf(text: string): string {
  if (text === 'implicit' || text === 'explicit') return text;
  throw new UsageError(`--channel-creation is ${text}, it must be implicit or explicit`);
}

function capabilityOf(text: string): unknown {
  try {
    return parseCapability(JSON.parse(text));
  } catch (error) {
    throw new UsageError(`--anonymous is ${text}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function numberOf(flag: string, text: string, most: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new UsageError(`--${flag} is ${text}, it must be a whole number from 1 to ${most}`);
}
