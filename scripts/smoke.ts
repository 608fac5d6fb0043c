/**
 * `npm run smoke`: tests over the wire whether a hub behaves as the local one.
 * @module
 */
import { isChannelName } from '../protocol/channel-name.ts';
import { command, UsageError } from './cli.ts';
import { type Check, type Outcome, outcomeOf, type Result } from './smoke/check.ts';
import { RATE_SECONDS } from './smoke/checks/rate.ts';
import { CHECKS, LONG } from './smoke/checks.ts';
import { findHub } from './smoke/hub.ts';
import { type Choices, startSession } from './smoke/session.ts';
import { clearWaiting, note, waitFor } from './terminal/waiting.ts';

/** Publishes per second: the quota of SNS in most Regions, and a rate that a busy laptop can take. */
const RATE = 300;
const LOCAL_RATE = 20;
const MOST_RATE = 1_000;
/**
 * The pause of the long check, in seconds. Lambda freezes a process between requests, and API Gateway ends its socket
 * after ten minutes.
 */
const PAUSE = 600;
const MOST_PAUSE = 1_800;

const HELP = `usage: npm run smoke [-- OPTIONS]

Tests over the wire what may differ between AWS and the local stack. Prints for each check "pass", "FAIL", or "unseen" if the
result cannot be seen from outside, with what was expected and what came. docs/first-hour.md explains what to do about a FAIL.
The exit code is 1 if a check fails. Its channels are below smoke/ and the name of --public. It removes them at the end.

  --stage NAME     the stage of a deployed hub; uses your AWS credentials and region (default: the hub that runs here)
  --only N,N       only these checks; check ${LONG} waits ten minutes, and runs only if it is named here
  --pause SECONDS  another pause for check ${LONG} (default ${PAUSE})
  --rate N         publishes a second in check 8, for ${RATE_SECONDS} s (default ${RATE}, ${LOCAL_RATE} on this machine)
  --receiver URL   a URL that answers 2xx to the webhooks of checks 10 and 16 (default: none, or one on this machine)
  --public NAME    channels below NAME/ can be read without a token, for check 5 (default: public)
  --origin ORIGIN  an origin whose pages may call, for checks 12 and 13 (default: https://smoke.example)

A run takes about two minutes and costs less than five cents. Checks:
${CHECKS.toSorted((a, b) => a.number - b.number)
  .map(({ number, title }) => `  ${String(number).padStart(2)}  ${title}`)
  .join('\n')}`;

const OPTIONS = {
  stage: { type: 'string' },
  only: { type: 'string' },
  pause: { type: 'string' },
  rate: { type: 'string' },
  receiver: { type: 'string' },
  public: { type: 'string', default: 'public' },
  origin: { type: 'string', default: 'https://smoke.example' },
} as const;

function print(line: string): void {
  clearWaiting();
  process.stdout.write(`${line}\n`);
}

await command(HELP, OPTIONS, async (flags) => {
  const { stage, only, pause, rate, receiver } = flags;
  const checks = only === undefined ? CHECKS.filter(({ number }) => number !== LONG) : chosen(only);
  const choices: Choices = {
    rate: numberOf('rate', rate, MOST_RATE) ?? (stage === undefined ? LOCAL_RATE : RATE),
    pauseMs: (numberOf('pause', pause, MOST_PAUSE) ?? PAUSE) * 1_000,
    receiver: receiver === undefined ? undefined : urlOf(receiver),
    origin: originOf(flags.origin),
  };
  const hub = await findHub(stage, publicOf(flags.public));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  print(`${hub.url}, with${hub.hasEdge ? '' : 'out'} a front door\n`);
  const session = startSession(hub, choices, stop.signal, (line) => note(`${line} …`));
  const outcomes: Outcome[] = [];
  try {
    for (const check of checks) {
      const outcome = await waitFor(`check ${check.number}, ${check.title}`, outcomeOf(check, session));
      if (stop.signal.aborted) break;
      outcomes.push(outcome);
      print(linesOf(outcome));
      await session.endReaders();
    }
  } finally {
    for (const path of await waitFor('removing the channels', session.clean()))
      note(`${path} could not be removed`);
  }
  const count = (result: Result) => outcomes.filter((each) => each.result === result).length;
  if (!checks.some(({ number }) => number === LONG))
    print(`check ${LONG} waits ten minutes, and runs with --only ${LONG}`);
  print(`${count('pass')} passed, ${count('FAIL')} failed, ${count('unseen')} cannot be seen from outside`);
  if (count('FAIL') > 0 || stop.signal.aborted) process.exitCode = 1;
});

function linesOf({ check: { number, title, expected }, result, came }: Outcome): string {
  return `${result.padEnd(6)} ${number} ${title}
         expected: ${expected}
         came: ${came}
`;
}

function chosen(only: string): readonly Check[] {
  const numbers = only.split(',').map(Number);
  const unknown = numbers.find((asked) => !CHECKS.some(({ number }) => number === asked));
  if (unknown !== undefined)
    throw new UsageError(`--only is ${only}, it must be numbers from 1 to ${CHECKS.length}, such as 1,4`);
  return CHECKS.filter(({ number }) => numbers.includes(number));
}

function numberOf(flag: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > most)
    throw new UsageError(`--${flag} is ${text}, it must be a whole number from 1 to ${most}`);
  return number;
}

function urlOf(receiver: string): string {
  if (!/^https?:\/\//.test(receiver) || !URL.canParse(receiver))
    throw new UsageError(`--receiver is ${receiver}, it must be a URL that begins with https://`);
  return receiver;
}

/** Checks that the text is an origin as browsers send it. */
function originOf(origin: string): string {
  if (URL.canParse(origin) && new URL(origin).origin === origin) return origin;
  throw new UsageError(`--origin is ${origin}, it must be an origin such as https://app.example.com`);
}

function publicOf(name: string): string {
  if (isChannelName(name)) return name;
  throw new UsageError(`--public is ${name}, it must be the beginning of a channel name, such as public`);
}
