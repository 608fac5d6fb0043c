/**
 * `npm run example`: runs an example application with a hub.
 * @module
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { commandWithWords, UsageError } from './cli.ts';
import { startBackend } from './example/backend.ts';
import { checkOptions, type ExampleHub, findHub } from './example/example-hub.ts';
import { receiverPort, startReceiver } from './example/receiver.ts';
import { note } from './terminal/waiting.ts';

const HELP = `usage: npm run example [-- NAME [OPTIONS]]

Runs an example application, and prints the address of its page. Without NAME it lists the examples. If no hub runs here, it starts
one for as long as the example runs. Ctrl-C ends both.

  --stage NAME     uses the deployed hub of a stage, with your AWS credentials and Region
  --url URL        uses the hub at a URL, with TIDINGS_KEY and TIDINGS_AUDIENCE in the environment (npm run -s token -- --key prints them)
  --help           this text

PORT in the environment is the port of the page (default 4100, or a free one if that is taken). examples/README.md says what a
deployed hub needs for the examples.`;

const OPTIONS = { stage: { type: 'string' }, url: { type: 'string' } } as const;

interface Example {
  /** What it shows. */
  readonly shows: string;
  /** What to do when it runs. */
  readonly advice: string;
  /** True if the hub must have the stamps and the presence of examples/README.md. */
  readonly needsOptions?: boolean;
}

const RECEIVER = 'webhook-receiver';

const EXAMPLES: Readonly<Record<string, Example>> = {
  chat: {
    shows: 'rooms with history, who is here, who is typing, and messages that are edited and deleted',
    advice: 'Open it in two browsers, with two names.',
    needsOptions: true,
  },
  stocks: {
    shows: '20 symbols with ten prices a second, the last ones at once, and a slow page that skips',
    advice: 'Open it, and press "Slow tab".',
  },
  game: {
    shows: 'eight players with 20 positions a second each, stored scores, and the measured round trip',
    advice: 'Open it in two browsers. Steer with the arrow keys, or with the pointer.',
    needsOptions: true,
  },
  assistant: {
    shows: 'an AI chat whose answer goes on over a reload',
    advice: 'Ask something, and reload the page while the answer is being written.',
  },
  [RECEIVER]: {
    shows: 'webhooks: signatures, duplicates, and a replay after the receiver was down',
    advice: `Publish in another terminal: npm run -s publish -- orders/7 '{"type":"order.paid","sum":3}'`,
  },
};

await commandWithWords(HELP, OPTIONS, async (flags, [name, extra]) => {
  if (extra !== undefined) throw new UsageError(`Unexpected argument '${extra}'`);
  if (name === undefined) return list();
  const example = Object.hasOwn(EXAMPLES, name) ? EXAMPLES[name] : undefined;
  if (example === undefined)
    throw new UsageError(`the example is ${name}, it must be one of ${Object.keys(EXAMPLES).join(', ')}`);
  await run(name, example, flags);
});

function list(): void {
  const width = Math.max(...Object.keys(EXAMPLES).map(({ length }) => length));
  for (const [name, { shows }] of Object.entries(EXAMPLES))
    process.stdout.write(`${name.padEnd(width)}  ${shows}\n`);
  process.stdout.write(`\nnpm run example -- NAME runs one, with a hub on this machine.\n`);
}

async function run(
  name: string,
  { advice, needsOptions = false }: Example,
  flags: { readonly stage?: string | undefined; readonly url?: string | undefined },
): Promise<void> {
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.abort());
  if (name === RECEIVER) receiverPort();
  const hub = await findHub(flags, stopped.signal);
  if (hub === undefined) return;
  try {
    if (needsOptions) await checkOptions(hub);
    note(`${hub.about}\n${advice}\nCtrl-C ends it.`);
    const { backend, close } = name === RECEIVER ? await startReceiver(hub) : startServer(name, hub);
    await running(backend, stopped.signal);
    await close();
  } finally {
    await hub.close();
  }
}

function startServer(name: string, { environment }: ExampleHub) {
  const backend = startBackend(`${name}/server.ts`, environment, 'inherit');
  return { backend, close: async () => {} };
}

/** Waits until the backend ends. It is told to end when the signal aborts. */
async function running(backend: ChildProcess, stop: AbortSignal): Promise<void> {
  const end = (): void => void backend.kill();
  stop.addEventListener('abort', end);
  if (stop.aborted) end();
  const [code] = await once(backend, 'exit');
  if (!stop.aborted) process.exitCode = typeof code === 'number' && code > 0 ? code : 1;
}
