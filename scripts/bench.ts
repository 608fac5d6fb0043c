/**
 * `npm run bench`: runs one of the benchmarks in bench/, most of them on a local hub.
 * @module
 */
import { randomInt } from 'node:crypto';
import { cpus, loadavg } from 'node:os';
import { append } from '../bench/append.ts';
import { burst } from '../bench/burst.ts';
import { environments } from '../bench/environments.ts';
import { ephemeral } from '../bench/ephemeral.ts';
import { fanout } from '../bench/fanout/fanout.ts';
import { shards } from '../bench/fanout/shards.ts';
import { flood, printFlood } from '../bench/flood.ts';
import { hold } from '../bench/hold.ts';
import { hop, printHop } from '../bench/hop.ts';
import type { MeasuredHub } from '../bench/hub.ts';
import { lean } from '../bench/lean/lean.ts';
import { local } from '../bench/local/local.ts';
import { overload } from '../bench/overload/overload.ts';
import { path } from '../bench/path.ts';
import { polling } from '../bench/polling.ts';
import { quota } from '../bench/quota.ts';
import { webhooks } from '../bench/webhooks.ts';
import { CALM, type Chaos, chaosMode, seeded } from '../local/faults/chaos.ts';
import { endWithReader, fail } from './cli.ts';
import { raceTable } from './console/race-table.ts';
import { functionIn, rowsOf } from './hub/control-rows.ts';
import { assemblyOfHub, type RunningHub, startHub } from './hub/local-hub.ts';
import { clearWaiting, waitFor } from './terminal/waiting.ts';

const HELP = `usage: npm run bench -- path | ephemeral | append | local | quota | hold | polling | burst | hop | webhooks | flood |
                             overload | environments | fanout | shards | lean | race

Measures on this machine, the first thirteen on local hubs, and prints medians and raw rounds. Compare the ratios within one
run. Do not compare the numbers of two runs.

  path      one event to each transport: AWS calls, calls in a row, delay, dollars per million
  ephemeral an ephemeral message compared with a stored one, in a room of 8 clients at 20 Hz each: AWS calls, dollars, round trip
  append    appends per second, p50 and p99, and AWS calls per append
  local     publishes per second; delays of 50 events per second to 100 readers of each transport; memory of 1,000 sockets
  quota     publishes per second, p50 and p95 with an SNS quota of 300 per second, compared with one of 30,000
  hold      500 held long polls: time from a publish to the answers, DynamoDB reads while they wait, memory
  polling   short polling as the hub advises, and every 2 s, on three channels for 4 minutes: empty answers, delay
  burst     100 events at once to 100 sockets: time to the last frame, frames and billed units, the gap rule
  hop       50 clients change transports at random in chaos mode, while 5,000 messages are published: what is lost
            (HOP_SEED=N repeats a run)
  webhooks  1,000 events to an endpoint that never answers, and nine healthy ones: their p95 with and without it, and AWS
            calls per delivery
  flood     ten times the rate of a slow hub for 20 s: what is refused, what other callers notice, parallel requests
  overload  three times the load that a hub can take: what it completes, how fast it refuses, what clients send again
  environments
            10 events per second to 60 sockets and 5 endpoints: delays, processor time and memory with one request at a
            time in each process, as deployed, and with 64
  fanout    one frame to 10,000 connections: posts per second and processor time per post, compared with the SDK
  shards    one message to 10,000 connections in 1, 4 and 16 shards: time to the last post, processor time, memory
  lean      processor time of importing the functions, compared with an empty handler, and of an append
            (LEAN_AGAINST=DIR compares with the assembly of another commit: cdk.out of its npm run synth)
  race      the race of the console for a minute, in a real browser: delays, requests, bytes and dollars of all five transports`;

const MOST_HELD = 1_024;
const HOP = { channel: 'bench/hop', clients: 50, messages: 5_000, pauseMs: 20 };
const FLOOD = { seconds: 20, publishesPerSecond: 20, maxHolds: 6 };
/** The highest limits that an account has, because the benchmarks measure the hub and not its throttles. */
const UNTHROTTLED = { 'tidings:requestsPerSecond': 10_000, 'tidings:publishesPerSecond': 10_000 };
const MAX_SEED = 999_999;
const PROGRAMS: Readonly<Record<string, () => Promise<void>>> = {
  path: pathOfAnEvent,
  ephemeral: inARoom,
  append: () => onHub(append),
  local: () => onHub(local),
  quota: onTwoRegions,
  hold: () => onHub(hold),
  polling: () => onHub(polling),
  burst: () => onHub(burst),
  hop: hopInChaosMode,
  webhooks: () => onHub(webhooks),
  flood: () =>
    onHub(async (hub) => printFlood(await flood(hub, FLOOD), print), CALM, {
      'tidings:publishesPerSecond': FLOOD.publishesPerSecond,
      'tidings:maxHolds': FLOOD.maxHolds,
      'tidings:heldPerCaller': FLOOD.maxHolds / 2,
    }),
  overload: overloaded,
  environments: () =>
    environments(async (concurrency) => {
      const hub = await startHub({ concurrency, context: UNTHROTTLED });
      return { hub: benched(hub), close: hub.close };
    }, print),
  fanout: () => fanout(print),
  shards: () => shards(print),
  lean: async () => {
    const { LEAN_AGAINST } = process.env;
    const ours = { name: 'this commit', directory: await assemblyOfHub() };
    await lean(LEAN_AGAINST ? [ours, { name: 'LEAN_AGAINST', directory: LEAN_AGAINST }] : [ours], print);
  },
  race: () => raceTable(print),
};
function print(line: string): void {
  clearWaiting();
  process.stdout.write(`${line}\n`);
}

endWithReader();
const program = PROGRAMS[process.argv[2] ?? ''];
if (program === undefined) {
  print(HELP);
  process.exitCode = process.argv[2] === '--help' ? 0 : 2;
} else {
  print(
    `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model}), load ${loadavg()[0]?.toFixed(1)}`,
  );
  await waitFor(`measuring ${process.argv[2]}`, program()).catch(fail);
}

async function hopInChaosMode(): Promise<void> {
  const seed = Number(process.env.HOP_SEED ?? randomInt(MAX_SEED));
  print(`${HOP.messages} messages, ${HOP.clients} clients, seed ${seed}`);
  await onHub(
    async (hub) => printHop(await hop({ ...hub, ...HOP, start: 'beginning', random: seeded(seed) }), print),
    chaosMode(seed),
    // A stream that its reader has left continues to the end of its life, as on Lambda.
    { 'tidings:streamSeconds': 5 },
  );
}

async function pathOfAnEvent(): Promise<void> {
  const hub = await startHub({ context: UNTHROTTLED });
  const { control } = hub.stack;
  const late = (delayMs: number): string =>
    JSON.stringify({ function: '', at: 'before', effect: { delayMs }, times: Number.MAX_SAFE_INTEGER });
  const delay = async (ms: number): Promise<void> => {
    if (ms > 0) await fetch(`${control}/faults`, { method: 'POST', body: late(ms) });
    else await fetch(`${control}/faults`, { method: 'DELETE' });
  };
  try {
    await path({ ...benched(hub), delay });
  } finally {
    await hub.close();
  }
}

/** Each function serves one request at a time, as deployed. */
async function inARoom(): Promise<void> {
  const hub = await startHub({ context: UNTHROTTLED });
  try {
    await ephemeral(benched(hub));
  } finally {
    await hub.close();
  }
}

async function overloaded(): Promise<void> {
  let lines = 0;
  const hub = await startHub({ context: UNTHROTTLED, log: () => void lines++ });
  try {
    await overload({ ...benched(hub), logLines: () => lines });
  } finally {
    await hub.close();
  }
}

async function onTwoRegions(): Promise<void> {
  await onHub(async (wide) => {
    const hub = await startHub({ concurrency: MOST_HELD, context: UNTHROTTLED, region: 'eu-west-3' });
    const { control } = hub.stack;
    const effect = { status: 400, type: 'ThrottlingException', message: 'Rate exceeded' };
    const fault = {
      function: '',
      action: 'sns:Publish',
      at: 'before',
      effect,
      times: Number.MAX_SAFE_INTEGER,
    };
    try {
      const refuse = async (all: boolean): Promise<void> => {
        if (all) await fetch(`${control}/faults`, { method: 'POST', body: JSON.stringify(fault) });
        else await fetch(`${control}/faults`, { method: 'DELETE' });
      };
      await quota({ wide, narrow: benched(hub), refuse }, print);
      const metrics = hub.stack.metrics().filter(({ name }) => name === 'HintsDiverted');
      print(`\nhints sent past the topic: ${metrics.reduce((sum, one) => sum + one.sum, 0)}`);
    } finally {
      await hub.close();
    }
  });
}

async function onHub(
  measure: (hub: MeasuredHub) => Promise<void>,
  chaos: Chaos = CALM,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const context = {
    ...UNTHROTTLED,
    'tidings:maxHolds': MOST_HELD,
    'tidings:maxStreams': MOST_HELD,
    'tidings:heldPerCaller': MOST_HELD,
    'tidings:connectionsPerCaller': 2 * MOST_HELD,
    ...more,
  };
  // Hundreds of held requests share one process, because a machine has no room for hundreds of processes.
  const hub = await startHub({ concurrency: MOST_HELD, context, chaos });
  try {
    await measure(benched(hub));
  } finally {
    await hub.close();
  }
}

function benched({ stack, token }: RunningHub): MeasuredHub {
  const { socketUrl } = stack;
  if (socketUrl === undefined) throw new Error('the hub has no sockets');
  return {
    url: stack.url,
    socketUrl,
    token,
    print: print,
    calls: async () =>
      (await rowsOf(stack.control, 'calls')).map(({ function: path, action, count }) => ({
        who: functionIn(path),
        action: String(action),
        count: Number(count),
      })),
    forgetCalls: async () => void (await fetch(`${stack.control}/calls`, { method: 'DELETE' })),
    processes: async () =>
      (await rowsOf(stack.control, 'processes')).map((row) => ({
        function: String(row.function),
        pid: Number(row.pid),
        inFlight: Number(row.inFlight),
      })),
  };
}
