/**
 * The log of `npm start`: each defect, the first of several similar warnings, and counts: every few seconds in a line, or in the
 * status line of a terminal.
 * @module
 */
import type { LocalStack } from '../../local/stack.ts';
import { fieldsOf } from '../../protocol/fields.ts';
import { METRICS, type MetricName } from '../../protocol/metrics.ts';

/** The time between two lines of counts, in milliseconds. Nothing is printed while nothing happens. */
const COUNT_MS = 5_000;

/** The time between two statuses, in milliseconds. */
const STATUS_MS = 1_000;

/** Time in which lines similar to a printed one are only counted, in milliseconds. */
const ALIKE_MS = 60_000;

/** The words after each count. Undefined for metrics that are not counts. */
const COUNTED: Readonly<Record<MetricName, string | undefined>> = {
  Published: 'published',
  Delivered: 'delivered',
  PushLag: undefined,
  PostsGone: 'sockets found gone',
  PostsPutOff: 'posts to sockets put off',
  HintsDiverted: 'hints past a busy topic',
  WebhooksFailed: 'webhook attempts failed',
  WebhooksBlocked: 'webhook attempts blocked',
  WebhooksExhausted: 'webhook deliveries given up',
  RefusedAccess: 'denied',
  RefusedTooMany: 'over a quota',
  RefusedRequests: 'refused',
  Unavailable: 'put off because the store was busy',
  Defects: 'defects',
};

/** The log of a running hub. */
export interface HubLog {
  /** Prints a line of the local stack or of a function, unless a similar one was printed before. */
  readonly take: (line: string) => void;
  /**
   * Starts to print counts. Returns the function that prints the last ones and stops.
   * @param live default: counts are lines, and no status
   */
  readonly watch: (stack: Pick<LocalStack, 'metrics'>, live?: LiveStatus) => () => void;
}

/** A status that replaces the lines of counts. */
export interface LiveStatus {
  /** Shows a status in place of the one before. */
  readonly show: (status: string) => void;
  /** Returns how many clients are connected now. */
  readonly connected: () => Promise<number>;
}

/** The metrics that the status always has, with its words. It has the others as soon as they are not zero. */
const IN_STATUS: readonly (readonly [MetricName, string])[] = [
  ['Published', 'published'],
  ['Delivered', 'delivered'],
];

/**
 * Returns the status of a hub since its start: what was published and delivered, who is connected now, errors, and what else
 * happened.
 * @param sums the sum of each metric
 */
export function statusOf(sums: ReadonlyMap<string, number>, connected: number): string {
  const count = (number: number, words: string): string => `${number.toLocaleString('en')} ${words}`;
  const known = IN_STATUS.map(([name, words]) => count(sums.get(name) ?? 0, words));
  const others = Object.entries(COUNTED).flatMap(([name, words]) => {
    const sum = sums.get(name) ?? 0;
    const isKnown = name === 'Defects' || IN_STATUS.some(([each]) => each === name);
    return words === undefined || sum === 0 || isKnown ? [] : [count(sum, words)];
  });
  const errors = sums.get('Defects') ?? 0;
  const now = [count(connected, 'connected'), count(errors, errors === 1 ? 'error' : 'errors')];
  return [...known, ...now, ...others].join(' · ');
}

/**
 * Returns a log.
 * @param say prints a line
 * @param isVerbose true to print every line at once, in addition to the counts
 */
export function hubLog(
  say: (line: string) => void,
  isVerbose: boolean,
  clock: () => number = Date.now,
): HubLog {
  const printedAt = new Map<string, number>();
  let counted = new Map<string, number>();
  let alike = 0;

  function take(line: string): void {
    const kind = isVerbose ? undefined : kindOf(line);
    if (kind !== undefined) {
      if (clock() - (printedAt.get(kind) ?? Number.NEGATIVE_INFINITY) < ALIKE_MS) {
        alike++;
        return;
      }
      printedAt.set(kind, clock());
    }
    say(line);
  }

  function countsOf({ metrics }: Pick<LocalStack, 'metrics'>): string[] {
    const now = sumsOf(metrics());
    const changes = Object.entries(COUNTED).flatMap(([name, words]) => {
      const more = (now.get(name) ?? 0) - (counted.get(name) ?? 0);
      return words === undefined || more === 0 ? [] : [`${more.toLocaleString('en')} ${words}`];
    });
    counted = now;
    return changes;
  }

  function printCounts(counts: readonly string[]): void {
    const more =
      alike === 0
        ? []
        : [
            `${alike.toLocaleString('en')} more ${alike === 1 ? 'line' : 'lines'} like those above (--verbose prints all)`,
          ];
    alike = 0;
    if (counts.length + more.length > 0) say([...counts, ...more].join(', '));
  }

  return {
    take,
    watch(stack, live) {
      let isOver = false;
      const showStatus = async (): Promise<void> => {
        const connected = (await live?.connected()) ?? 0;
        if (!isOver) live?.show(statusOf(sumsOf(stack.metrics()), connected));
      };
      const counts = setInterval(() => printCounts(live ? [] : countsOf(stack)), COUNT_MS);
      const status = live && setInterval(showStatus, STATUS_MS);
      void showStatus();
      return () => {
        isOver = true;
        clearInterval(counts);
        clearInterval(status);
        printCounts(countsOf(stack));
      };
    },
  };
}

/** Adds the metrics of all functions, by name. */
function sumsOf(records: ReturnType<LocalStack['metrics']>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { name, sum } of records) if (name in METRICS) sums.set(name, (sums.get(name) ?? 0) + sum);
  return sums;
}

/**
 * Returns the kind of a line. Lines that differ only in ids, times and counts have the same kind. Returns undefined for a
 * defect, so that each defect is printed.
 */
function kindOf(line: string): string | undefined {
  const [, prefix = '', json] = /^(\[[^\]]*\] )?(\{.*\})$/.exec(line) ?? [];
  const { level, message, code, reason, status } = fieldsOf(parsed(json));
  if (level === 'ERROR' || level === 'CRITICAL' || (level === undefined && /Error|Exception/.test(line)))
    return undefined;
  if (level !== undefined) return JSON.stringify([prefix, level, message, code, reason, status]);
  return line.replace(/[0-9a-f]{8}[0-9a-f-]*|\d+/gi, '#');
}

function parsed(json: string | undefined): unknown {
  try {
    return JSON.parse(json ?? 'null');
  } catch {
    return undefined;
  }
}
