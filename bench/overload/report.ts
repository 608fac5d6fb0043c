/**
 * The report of one overload: each line says what was measured, what was asked, and whether the goal is met.
 * @module
 */
import { availableParallelism } from 'node:os';
import { quantile, sorted, sum } from '../numbers.ts';
import { type Answer, isBusy, isStored, type Load, type Measured } from './measured.ts';

/** The kinds of load. */
export type Kind = Load['kind'];

/** One overload, and what was measured around it. */
export interface Run {
  /** The overload. */
  readonly measured: Measured;
  /** What the hub completed in a second, before and after it, at the rate that it can take. */
  readonly best: readonly number[];
  /** Lines that functions and services logged in a second. */
  readonly linesPerSecond: number;
  /** The duration, with the time before the measurement. */
  readonly seconds: number;
  /** Processor time of the stack and of the functions, in milliseconds. */
  readonly cpuMs: { readonly stack: number; readonly functions: number };
  /** The processes of functions, before and after. */
  readonly processes: readonly number[];
}

/** What is asked of a hub under overload (docs/adr/0016-overload.md). */
const GOALS = { completed: 0.8, refusedMs: 100, acceptedMs: 1_000, linesPerSecond: 1, again: 1 };

/** Lines a second that round to the goal. */
const ROUNDING = 0.5;

const LABEL = 22;
const VALUE = 76;

/** Returns what the hub completed in a second. */
export const perSecondOf = ({ completed }: Measured, ms: number): number => completed / (ms / 1_000);

/** Returns the lines of the report. */
export function reportOf(kind: Kind, run: Run, measuredMs: number): string[] {
  const { measured, linesPerSecond } = run;
  const best = sum(run.best) / run.best.length;
  const completed = perSecondOf(measured, measuredMs);
  const accepted = measured.answers.filter(isStored);
  const refused = measured.answers.filter((answer) => !isStored(answer));
  const { first, again } = measured.requests;
  const offered = measured.offered / (measuredMs / 1_000);
  const lines = [
    line(
      'best rate',
      `${best.toFixed(0)}/s (before and after: ${run.best.map((each) => each.toFixed(0)).join(', ')})`,
    ),
    line('offered', `${offered.toFixed(0)}/s; lateness ${times(measured.lateness)}`),
    line(
      'completed',
      `${completed.toFixed(0)}/s, ${percent(completed / best)} of the best rate`,
      `at least ${percent(GOALS.completed)}`,
      completed >= GOALS.completed * best,
    ),
    line(
      'accepted answers',
      `${accepted.length}  ${timesOf(accepted)}`,
      `p95 at most ${GOALS.acceptedMs} ms`,
      p95(accepted) <= GOALS.acceptedMs,
    ),
    line(
      'refusals',
      `${refused.length}  ${timesOf(refused)}`,
      `p95 at most ${GOALS.refusedMs} ms`,
      refused.length === 0 || p95(refused) <= GOALS.refusedMs,
    ),
    ...namesOf(refused).map(([name, all]) =>
      line('', `${all.length} × ${name}`, '429 or 503; Retry-After if the hub answers', all.every(isAsAsked)),
    ),
    line(
      'log lines',
      `${linesPerSecond.toFixed(1)} a second`,
      `${GOALS.linesPerSecond} a second`,
      linesPerSecond < GOALS.linesPerSecond + ROUNDING,
    ),
  ];
  if (kind !== 'publishers') {
    lines.push(
      line(
        'sent again ÷ first',
        `${again} ÷ ${first} = ${(again / first).toFixed(2)}`,
        `at most ${GOALS.again}`,
        again <= GOALS.again * first,
      ),
      line(
        'until it is stored',
        `${measured.waits.length}  ${times(measured.waits)}, with the waits of the client`,
      ),
    );
  }
  if (kind === 'players')
    lines.push(line('deliveries', `${measured.delays.length}  ${times(measured.delays)}`));
  return [...lines, line('processor time', useIn(run))];
}

/** Returns a line with what was asked, and whether that is so. Without a goal the line is for information. */
function line(name: string, value: string, asked?: string, isMet = true): string {
  const goal = asked === undefined ? '' : `  asked: ${asked}: ${isMet ? 'met' : 'NOT MET'}`;
  return `  ${name.padEnd(LABEL)}${goal === '' ? value : value.padEnd(VALUE)}${goal}`;
}

const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;

const msOf = (answers: readonly Answer[]): number[] => sorted(answers.map(({ ms }) => ms));
const p95 = (answers: readonly Answer[]): number => quantile(msOf(answers), 0.95);
const timesOf = (answers: readonly Answer[]): string => times(msOf(answers));

function times(values: readonly number[]): string {
  const ms = sorted(values);
  return ms.length === 0
    ? ''
    : `p50 ${quantile(ms, 0.5).toFixed(0)} ms  p95 ${quantile(ms, 0.95).toFixed(0)} ms`;
}

/** API Gateway cannot send Retry-After (PROTOCOL.md §8). A frame has no headers. */
function isAsAsked(answer: Answer): boolean {
  const isOfHub = answer.code === 'unavailable' || answer.code === 'too_many_requests';
  return isBusy(answer) && (answer.hasRetryAfter || !isOfHub);
}

function namesOf(refused: readonly Answer[]): [string, Answer[]][] {
  const byName = Map.groupBy(refused, ({ status, code, hasRetryAfter }) => {
    return `${status} ${code}${hasRetryAfter ? ', Retry-After' : ''}`;
  });
  return [...byName];
}

function useIn({ measured, seconds, cpuMs, processes }: Run): string {
  const wholeMs = seconds * 1_000 * availableParallelism();
  const of = (ms: number): string => percent(ms / wholeMs);
  return `of all cores: load ${of(measured.cpuMs)}, stack ${of(cpuMs.stack)}, functions ${of(cpuMs.functions)} in ${processes.join(' → ')} processes`;
}
