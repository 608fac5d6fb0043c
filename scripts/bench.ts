/**
 * `npm run bench`: runs one of the programs in bench/ against a local stack of its own.
 * @module
 */
import { cpus, loadavg } from 'node:os';
import { append } from '../bench/append.ts';
import type { BenchedHub } from '../bench/hub.ts';
import { type RunningHub, startHub } from './local-hub.ts';

const HELP = `usage: npm run bench -- append

Measures a local stack of its own, on this machine, and prints method, medians and raw rounds. Compare the ratios
within a run, not the numbers of two runs.

  append    appends a second, p50 and p99, and DynamoDB calls per append`;

const PROGRAMS: Readonly<Record<string, (hub: BenchedHub) => Promise<void>>> = { append };
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const program = PROGRAMS[process.argv[2] ?? ''];
if (program === undefined) {
  say(HELP);
  process.exitCode = process.argv[2] === '--help' ? 0 : 2;
} else {
  say(
    `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model}), load ${loadavg()[0]?.toFixed(1)}`,
  );
  const hub = await startHub();
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
    calls: async () => callsIn(await (await fetch(`${stack.control}/calls`)).json()),
    forgetCalls: async () => void (await fetch(`${stack.control}/calls`, { method: 'DELETE' })),
  };
}

function callsIn(rows: unknown): { action: string; count: number }[] {
  if (!Array.isArray(rows)) throw new Error('the control endpoint did not answer a list of calls');
  return rows.map((row) => ({ action: String(row.action), count: Number(row.count) }));
}
