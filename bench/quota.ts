/**
 * The effect of the SNS publish quota on publishes. Compares a hub in a Region of 30,000 messages per second with one
 * in a Region of 300, and with the same hub while the topic refuses every hint.
 *
 * Method: ROUNDS alternating rounds of each kind, with CLIENTS publishers that send one small message at a time, each
 * to its own channel, and with one publisher alone. The medians of the rounds are reported, with the raw rounds and all
 * answers: on a machine with other work the store may be busy, and answer 503.
 * @module
 */
import { measureRound, post, type Round } from './append.ts';
import type { MeasuredHub } from './hub.ts';
import { median } from './numbers.ts';

const CLIENTS = 16;
const REQUESTS = 800;
const LONE_REQUESTS = 80;
const ROUNDS = 5;
const WARM_UP = 160;

/** The hubs to compare. */
export interface QuotaHubs {
  /** Its quota of 30,000 messages a second is never reached. */
  readonly wide: MeasuredHub;
  /** Its quota is 300 messages a second. */
  readonly narrow: MeasuredHub;
  /** Makes the topic of `narrow` refuse all hints, or only those above the quota. */
  readonly refuse: (all: boolean) => Promise<void>;
}

/** Runs the benchmark, and prints its result. */
export async function quota(
  { wide, narrow, refuse }: QuotaHubs,
  print: (line: string) => void,
): Promise<void> {
  const run = `bench/${Date.now()}`;
  const answers = new Map<number, number>();
  const to = (hub: MeasuredHub) => async (client: number) => {
    const status = await post(hub, `${run}/${client}`);
    answers.set(status, (answers.get(status) ?? 0) + 1);
  };
  const refused = async (requests: number, clients: number): Promise<Round> => {
    await refuse(true);
    const result = await measureRound(requests, clients, to(narrow));
    await refuse(false);
    return result;
  };
  const kinds: Readonly<Record<string, (requests: number, clients: number) => Promise<Round>>> = {
    'no quota': (requests, clients) => measureRound(requests, clients, to(wide)),
    'quota of 300': (requests, clients) => measureRound(requests, clients, to(narrow)),
    'all refused': refused,
  };
  for (const measure of Object.values(kinds)) await measure(WARM_UP, CLIENTS);
  print(
    `quota: ${ROUNDS} rounds of ${REQUESTS} publishes by ${CLIENTS} clients, and of ${LONE_REQUESTS} by one\n`,
  );
  for (const [clients, requests] of [
    [CLIENTS, REQUESTS],
    [1, LONE_REQUESTS],
  ] as const) {
    const rounds = new Map<string, Round[]>(Object.keys(kinds).map((kind) => [kind, []]));
    for (let n = 0; n < ROUNDS; n++) {
      for (const [kind, measure] of Object.entries(kinds))
        rounds.get(kind)?.push(await measure(requests, clients));
    }
    const [base = []] = rounds.values();
    for (const [kind, results] of rounds) print(lineOf(`${clients} × ${kind}`, results, base));
  }
  print(`\nanswers: ${[...answers].map(([status, count]) => `${count} × ${status}`).join(', ')}`);
}

function lineOf(name: string, results: readonly Round[], base: readonly Round[]): string {
  const of = (rounds: readonly Round[], key: keyof Round) => median(rounds.map((one) => one[key]));
  const perSecond = of(results, 'perSecond');
  const ratio = (perSecond / of(base, 'perSecond')).toFixed(2);
  const raw = results.map((one) => Math.round(one.perSecond)).join(' ');
  const times = (['p50', 'p95'] as const).map((key) => `${key} ${of(results, key).toFixed(1)} ms`).join('  ');
  return `${name.padEnd(18)} ${String(Math.round(perSecond)).padStart(4)}/s (${ratio})  ${times}  rounds ${raw}`;
}
