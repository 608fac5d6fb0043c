/**
 * `npm start`: runs the whole hub on this machine.
 * @module
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { chaosMode } from '../local/faults/chaos.ts';
import { isRegion } from '../local/stack.ts';
import { parseCapability } from '../protocol/capability.ts';
import { command, UsageError } from './cli.ts';
import { type ConsoleLink, consoleLink } from './hub/console-link.ts';
import { connectedTo } from './hub/control-rows.ts';
import { hubLog } from './hub/hub-log.ts';
import { removeLocalHub, writeLocalHub } from './hub/local-file.ts';
import { type HubOptions, type RunningHub, startHub, WITH_EXAMPLES } from './hub/local-hub.ts';
import { printableLines } from './terminal/printable.ts';
import { statusLineOn } from './terminal/status-line.ts';
import { waitFor } from './terminal/waiting.ts';

const HELP = `usage: npm start [-- OPTIONS]

Runs the whole hub on this machine, from the same template that npm run deploy deploys.

  --port N                        port of the hub; 0 takes any free port (default: 8787, or a free one if that is taken)
  --data DIR                      store channels, keys and queues in DIR (default: in memory)
  --concurrency N                 requests at the same time in each process of a function; 1 is as deployed (default: 64, which
                                  is faster on a laptop)
  --region NAME                   Region whose SNS publish quota applies (default: us-east-1 with 30,000 a second; most Regions
                                  have 300)
  --channel-creation MODE         implicit: the first use creates a channel (default); explicit: only PUT does
  --chaos                         do often what AWS does seldom: lose $disconnect, double and reorder hints, fail posts, and
                                  let connections age 60 times as fast (they live 2 min, or 10 s when idle)
  --seed N                        with --chaos: repeat the run with that seed (default: a new seed, which is printed)
  --anonymous CAPABILITY          what callers without a token may do, such as '{"public/*":["subscribe"]}'
  --verbose                       print every line that functions write (default: counts, defects, and similar warnings once a
                                  minute)
  --help                          this text

When the hub is ready, .tidings/local.json has its URL and a token for scripts. Ctrl-C stops the hub; a second Ctrl-C stops it at once.`;

const OPTIONS = {
  port: { type: 'string' },
  data: { type: 'string' },
  concurrency: { type: 'string' },
  region: { type: 'string' },
  chaos: { type: 'boolean' },
  harsh: { type: 'boolean' }, // the name of --chaos before it was renamed
  seed: { type: 'string' },
  'channel-creation': { type: 'string' },
  anonymous: { type: 'string' },
  verbose: { type: 'boolean' },
} as const;

const DEFAULT_PORT = 8787;

/**
 * Signals within this time are one, in milliseconds. A terminal sends Ctrl-C to this process and to its parent, and the parent
 * sends it again.
 */
const SAME_SIGNAL_MS = 500;
/** Time after the end of the hub until the process exits, in milliseconds. */
const EXIT_MS = 3_000;
const MAX_PORT = 65_535;
/** One process for many requests needs far less memory and time than one process for each request. */
const DEFAULT_CONCURRENCY = 64;
const MAX_CONCURRENCY = 128;
const MAX_SEED = 999_999;

const status = statusLineOn(process.stdout);
const { say } = status;
const bold = (text: string): string => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[22m` : text);

await command(HELP, OPTIONS, async (flags) => {
  const started = performance.now();
  const stopped = stopSignal();
  const options = await optionsOf(flags);
  if (options.chaos) say(`Chaos mode: --chaos --seed ${options.chaos.seed} repeats this run.`);
  // Functions may write what their callers sent.
  const log = hubLog((line) => say(printableLines(line)), flags.verbose ?? false);
  const link = await consoleLink();
  const { intercept } = link;
  let step = '';
  const starting = startHub({
    ...options,
    intercept,
    log: log.take,
    progress: (next) => {
      step = next;
      say(`${step} …`);
    },
  });
  const hub = await waitFor('starting', starting, { howFar: () => step }).catch((error: unknown) => {
    link.close();
    // A terminal sends Ctrl-C to the program that synthesizes, too, and then it fails.
    if (!stopped.aborted) throw error;
  });
  if (hub === undefined) return;
  const { stack } = hub;
  let endOfCounts = (): void => {};
  try {
    if (!stopped.aborted) announce(hub, link, Math.round(performance.now() - started), options, flags.data);
    // While the stack stops, it says nothing.
    const live = { show: status.show, connected: () => connectedTo(stack.control).catch(() => 0) };
    endOfCounts = log.watch(stack, process.stdout.isTTY ? live : undefined);
    if (!stopped.aborted) await once(stopped, 'abort');
    removeLocalHub();
  } finally {
    await hub.close();
    link.close();
    endOfCounts();
    status.end();
    // The process normally ends before: this is for the case that something keeps it alive.
    setTimeout(() => process.exit(), EXIT_MS).unref();
  }
});

/** Returns a signal that aborts on SIGINT, SIGTERM or SIGHUP, also during the start. A second one exits the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  let askedAt = 0;
  const stop = (): void => {
    const now = performance.now();
    if (!controller.signal.aborted) {
      askedAt = now;
      say('stopping …');
      controller.abort();
      return;
    }
    // No wait for functions that do not end: the reaper kills them.
    if (now - askedAt > SAME_SIGNAL_MS) process.exit(1);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  return controller.signal;
}

async function optionsOf(
  flags: {
    readonly [K in keyof typeof OPTIONS]?:
      | ((typeof OPTIONS)[K]['type'] extends 'string' ? string : boolean)
      | undefined;
  },
): Promise<HubOptions> {
  const { port, data, concurrency, region, anonymous, seed, 'channel-creation': mode } = flags;
  const isChaos = flags.chaos ?? flags.harsh ?? false;
  if (seed !== undefined && !isChaos) throw new UsageError('--seed goes with --chaos');
  const context = {
    ...WITH_EXAMPLES,
    ...(mode === undefined ? {} : { 'tidings:channelCreation': modeOf(mode) }),
    ...(anonymous === undefined ? {} : { 'tidings:anonymous': capabilityOf(anonymous) }),
  };
  return {
    ...(data === undefined ? {} : { data: directoryOf(data) }),
    concurrency:
      concurrency === undefined
        ? DEFAULT_CONCURRENCY
        : numberOf('concurrency', concurrency, 1, MAX_CONCURRENCY),
    ...(region === undefined ? {} : { region: regionOf(region) }),
    ...(isChaos
      ? { chaos: chaosMode(seed === undefined ? randomInt(MAX_SEED) : numberOf('seed', seed, 0, MAX_SEED)) }
      : {}),
    context,
    // Last, because it may print a line, and a mistake in another option must be the only output.
    port: port === undefined ? await freePort() : await portOf(port),
  };
}

function announce(
  hub: RunningHub,
  link: ConsoleLink,
  ms: number,
  { concurrency = DEFAULT_CONCURRENCY }: HubOptions,
  data: string | undefined,
): void {
  const { stack, token } = hub;
  const { url, control, aws, outputs } = stack;
  const isTheOne = writeLocalHub({ url, token, pid: process.pid, control, aws, outputs });
  say(welcome(url, token, link.addressOf(hub), ms, concurrency, data));
  if (isTheOne) return;
  say(`Another hub runs here already: .tidings/local.json and npm run token stay with that one.\n`);
}

function welcome(
  url: string,
  token: string,
  console: string,
  ms: number,
  concurrency: number,
  data: string | undefined,
): string {
  const as = `-H "Authorization: Bearer $TOKEN"`;
  const json = `-H 'Content-Type: application/json'`;
  return `
${bold('Tidings is ready')} in ${(ms / 1_000).toFixed(1)} s. Ctrl-C stops it; ${data ? `channels are kept in ${data}` : 'then all messages are gone (--data keeps them)'}.
${concurrency === 1 ? 'One request at a time in each process, as deployed' : `Up to ${concurrency} requests at a time in each process; --concurrency 1 is as deployed`}.

  hub      ${bold(url)}
  console  ${bold(console)}
           opens signed in, once: the five transports side by side
  token    may do everything for a day; mint others with npm run token -- --help

To see messages as they are published, in another terminal: npm run -s listen -- 'chat/*'
To see an application that uses this hub: npm run example -- chat
Sockets open at ${url.replace(/^http/, 'ws')}/ws, with the subprotocols tidings.v1 and bearer.TOKEN.

Paste these two lines once, and then any of the others: publish one message, publish a batch, read them all back.

HUB=${url}
TOKEN=${token}

curl -i -X POST ${as} ${json} -d '{"text":"hello"}' $HUB/channels/chat/room1

curl -i -X POST ${as} ${json} -d '[{"text":"how"},{"text":"are"},{"text":"you?"}]' $HUB/channels/chat/room1

curl -i ${as} "$HUB/channels/chat/room1?offset=-1"

The same without curl: npm run -s publish -- chat/room1 '{"text":"hello"}'
`;
}

/** Returns the default port, or 0 for any free port if another program has it. */
async function freePort(): Promise<number> {
  const isFree = await canListen(DEFAULT_PORT);
  if (!isFree) say(`Port ${DEFAULT_PORT} is taken: the hub listens on another one.`);
  return isFree ? DEFAULT_PORT : 0;
}

/** Checks the port before the templates are synthesized, which takes up to half a minute. */
async function portOf(text: string): Promise<number> {
  const port = numberOf('port', text, 0, MAX_PORT);
  if (await canListen(port)) return port;
  throw new UsageError(
    `--port is ${port}, and no program can listen there now: choose another port, or 0 for a free one`,
  );
}

async function canListen(port: number): Promise<boolean> {
  const probe = createServer();
  return await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

function modeOf(text: string): string {
  if (text === 'implicit' || text === 'explicit') return text;
  throw new UsageError(`--channel-creation is ${text}, it must be implicit or explicit`);
}

function regionOf(name: string): string {
  if (isRegion(name)) return name;
  throw new UsageError(`--region is ${name}, it must be one such as eu-west-3`);
}

function capabilityOf(text: string): unknown {
  try {
    return parseCapability(JSON.parse(text));
  } catch (error) {
    throw new UsageError(`--anonymous is ${text}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function directoryOf(path: string): string {
  if (path === '') throw new UsageError('--data is empty, it must be a directory');
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new UsageError(`--data is ${path}, it must be a directory or not be there yet`);
  try {
    makeDirectory(resolve(path));
    // A test with a real file: permissions do not show that a file system is read-only or full.
    rmdirSync(mkdtempSync(join(path, 'probe-')));
  } catch (error) {
    throw new UsageError(
      `--data is ${path}, where nothing can be stored: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return path;
}

/** Creates the directory and its parents. `mkdirSync` with `recursive` never returns below /proc. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path);
}

function numberOf(flag: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (text !== '' && Number.isInteger(number) && number >= least && number <= most) return number;
  throw new UsageError(`--${flag} is ${text}, it must be a whole number from ${least} to ${most}`);
}
