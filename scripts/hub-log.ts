/**
 * What `npm start` prints of a running hub: counts every few seconds, defects in full, and of warnings that are alike the first.
 * @module
 */
import type { LocalStack } from '../local/stack.ts';
import { fieldsOf } from '../protocol/fields.ts';
import { METRICS, type MetricName } from '../protocol/metrics.ts';

/** Between two lines of counts while something happens, in milliseconds. */
const COUNT_MS = 5_000;

/** A warning is printed again after so many milliseconds. */
const ALIKE_MS = 60_000;

/** What each metric counts; undefined for what is no count. */
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

export interface HubLog {
  /** Takes a line of the local stack or of a function. */
  readonly take: (line: string) => void;
  /** Begins to print counts. Returns what prints the last ones and ends it. */
  readonly watch: (stack: Pick<LocalStack, 'metrics'>) => () => void;
}

/** @param isVerbose true to print every line as it comes, beside the counts */
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

  function printCounts({ metrics }: Pick<LocalStack, 'metrics'>): void {
    const now = sumsOf(metrics());
    const news = Object.entries(COUNTED).flatMap(([name, what]) => {
      const more = (now.get(name) ?? 0) - (counted.get(name) ?? 0);
      return what === undefined || more === 0 ? [] : [`${more.toLocaleString('en')} ${what}`];
    });
    counted = now;
    if (alike > 0)
      news.push(
        `${alike.toLocaleString('en')} more ${alike === 1 ? 'line' : 'lines'} like those above (--verbose prints all)`,
      );
    alike = 0;
    if (news.length > 0) say(news.join(', '));
  }

  return {
    take,
    watch(stack) {
      const timer = setInterval(printCounts, COUNT_MS, stack);
      return () => {
        clearInterval(timer);
        printCounts(stack);
      };
    },
  };
}

/** Metrics of functions are summed up over all of them. */
function sumsOf(records: ReturnType<LocalStack['metrics']>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { name, sum } of records) if (name in METRICS) sums.set(name, (sums.get(name) ?? 0) + sum);
  return sums;
}

/** Lines of the same kind differ in ids and times only. Undefined for a defect: each of them is printed. */
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
