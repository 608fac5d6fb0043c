/**
 * `npm run bench`: runs one of the programs in bench/ against a local stack of its own.
 * @module
 */
import { cpus, loadavg } from 'node:os';
import { append } from '../bench/append.ts';
import { hold } from '../bench/hold.ts';
import type { BenchedHub } from '../bench/hub.ts';
import { type RunningHub, startHub } from './local-hub.ts';

const HELP = `usage: npm run bench -- append | hold

Measures a local stack of its own, on this machine, and prints method, medians and raw rounds. Compare the ratios
within a run, not the numbers of two runs.

  append    appends a second, p50 and p99, and DynamoDB calls per append
  hold      500 held long polls: time from publish to answers, DynamoDB reads while they wait, memory`;

const MOST_HELD = 1_024;
const PROGRAMS: Readonly<Record<string, (hub: BenchedHub) => Promise<void>>> = { append, hold };
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const program = PROGRAMS[process.argv[2] ?? ''];
if (program === undefined) {
  say(HELP);
  process.exitCode = process.argv[2] === '--help' ? 0 : 2;
} else {
  say(
    `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model}), load ${loadavg()[0]?.toFixed(1)}`,
  );
  // Room for all that a benchmark holds, in one process.
  const context = { 'tidings:maxHolds': MOST_HELD };
  const hub = await startHub({ concurrency: MOST_HELD, context });
  try {
    await program(benched(hub));
  } finally {
    await hub.close();
  }
}

function benched({ stack, token }: RunningHub): BenchedHub {
  return {
    url: stack.url,
    token,
    say,
    calls: async () =>
      (await rowsOf(stack.control, 'calls')).map(({ action, count }) => ({
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

async function rowsOf(control: string, what: string): Promise<Readonly<Record<string, unknown>>[]> {
  const rows: unknown = await (await fetch(`${control}/${what}`)).json();
  if (!Array.isArray(rows)) throw new Error(`the control endpoint did not answer a list of ${what}`);
  return rows;
}
