/**
 * The health of a hub on this machine: what its metrics say, its AWS calls, and what that would cost.
 * @module
 */
import { useState } from 'preact/hooks';
import { asTidingsError } from '../../client/errors.ts';
import { ForeignName } from '../foreign-text.tsx';
import { age, count, duration } from '../format.ts';
import { useLooking } from '../looking.ts';
import { claimsOf, type PageProps } from '../session.ts';
import { CallTable } from './call-table.tsx';
import { CostCard } from './cost-card.tsx';
import type { HealthReport, MetricSum } from './health-report.ts';
import { readHealth } from './read-health.ts';

const FORBIDDEN = 'This token may not see the health of the hub: that needs manage on everything (*).';

/** The page. It looks again by itself, also after an error. */
export function HealthPage({ session, onUnauthorized }: PageProps) {
  const [report, setReport] = useState<HealthReport>();
  const [isDeployed, setDeployed] = useState(false);
  const [problem, setProblem] = useState('');

  useLooking(
    async (isOver) => {
      try {
        const found = await readHealth(session.token);
        if (isOver()) return false;
        setProblem('');
        setReport(found);
        setDeployed(found === undefined);
        return found !== undefined;
      } catch (error) {
        if (isOver()) return false;
        const { code, message } = asTidingsError(error);
        if (code === 'unauthorized') onUnauthorized();
        else setProblem(code === 'forbidden' ? FORBIDDEN : `${code}: ${message}`);
        return code !== 'unauthorized' && code !== 'forbidden';
      }
    },
    [session],
  );

  return (
    <main class="health">
      <h1 class="hidden">Health</h1>
      {problem !== '' && (
        <p class="problem" role="alert">
          <ForeignName text={problem} />
        </p>
      )}
      {isDeployed && <Deployed stage={claimsOf(session.token).stage} />}
      {report === undefined && !isDeployed && problem === '' && (
        <p role="status" class="hint">
          Loading …
        </p>
      )}
      {report && <Report report={report} />}
    </main>
  );
}

/** A deployed hub tells CloudWatch, and answers nobody. */
function Deployed({ stage }: { stage: string | undefined }) {
  return (
    <section class="card deployed">
      <h2>This hub is deployed</h2>
      <p>
        CloudWatch has its metrics, and its dashboard shows them:{' '}
        <b>
          tidings-
          <ForeignName text={stage ?? '{stage}'} />
          -hub-{'{Region}'}
        </b>
        . Billing of AWS has its costs.
      </p>
      <p>
        <a
          class="link"
          href="https://console.aws.amazon.com/cloudwatch/home#dashboards"
          target="_blank"
          rel="noreferrer"
        >
          Open the dashboards of CloudWatch
        </a>
      </p>
    </section>
  );
}

function Report({ report }: { report: HealthReport }) {
  const { ms, connected, deadLetters, metrics } = report;
  const lags = metrics.filter(({ name }) => name === 'PushLag');
  const [lagged, lagMs] = [sumOf(lags, ({ count }) => count), sumOf(lags, ({ sum }) => sum)];
  const figures: readonly (readonly [string, string, boolean?])[] = [
    ['Published', count(named(metrics, 'Published'))],
    ['Delivered', count(named(metrics, 'Delivered'))],
    ['Connected now', count(connected)],
    ['Push lag, average', duration(lagMs / lagged)],
    ['Push lag, longest', duration(lagged === 0 ? Number.NaN : Math.max(...lags.map(({ most }) => most)))],
    ['Dead letters', count(deadLetters), deadLetters > 0],
  ];
  return (
    <>
      <section class="card" aria-labelledby="health-now">
        <h2 id="health-now">Since the start, {age(ms)} ago</h2>
        <dl class="facts">
          {figures.map(([label, value, isBad]) => (
            <div key={label} class="figure">
              <dt>{label}</dt>
              <dd class={isBad ? 'bad' : undefined}>{value}</dd>
            </div>
          ))}
        </dl>
      </section>
      <div class="pair">
        <Counts
          title="Delivered by transport"
          counts={deliveredIn(metrics)}
          hint="A stream is counted when it ends, after a minute."
        />
        <Counts title="Refusals and failures" counts={troublesIn(metrics)} />
      </div>
      <CostCard report={report} />
      <CallTable calls={report.calls} />
    </>
  );
}

/** The function of each transport. */
const TRANSPORTS: Readonly<Record<string, string>> = {
  Read: 'Short polling',
  Hold: 'Long polling',
  Stream: 'Server-Sent Events',
  Push: 'WebSocket',
  Deliver: 'Webhook',
};

/** What each metric means for people. */
const TROUBLES: Readonly<Record<string, string>> = {
  RefusedAccess: 'Refused: no token, or not allowed (401, 403)',
  RefusedTooMany: 'Refused: over a quota (429)',
  RefusedRequests: 'Refused: a mistake in the request (other 4xx)',
  Unavailable: 'Put off: the store was busy (503)',
  Defects: 'Defects of the hub (500)',
  PostsGone: 'Sockets that were found gone',
  PostsPutOff: 'Frames that a socket could not take',
  WebhooksFailed: 'Webhook attempts that failed',
  WebhooksBlocked: 'Webhook attempts to a forbidden address',
  WebhooksExhausted: 'Webhook deliveries that were given up',
};

type Counted = Readonly<Record<string, number>>;

const sumOf = <T,>(rows: readonly T[], of: (row: T) => number): number =>
  rows.reduce((sum, row) => sum + of(row), 0);

const named = (metrics: readonly MetricSum[], wanted: string): number =>
  sumOf(
    metrics.filter(({ name }) => name === wanted),
    ({ sum }) => sum,
  );

const deliveredIn = (metrics: readonly MetricSum[]): Counted =>
  Object.fromEntries(
    Object.entries(TRANSPORTS).map(([writer, label]) => [
      label,
      named(
        metrics.filter((metric) => metric.function === writer),
        'Delivered',
      ),
    ]),
  );

const troublesIn = (metrics: readonly MetricSum[]): Counted =>
  Object.fromEntries(Object.entries(TROUBLES).map(([name, label]) => [label, named(metrics, name)]));

function Counts({ title, counts, hint }: { title: string; counts: Counted; hint?: string }) {
  return (
    <section class="card">
      <table class="rows">
        <caption>{title}</caption>
        <tbody>
          {Object.entries(counts).map(([label, value]) => (
            <tr key={label}>
              <th scope="row">{label}</th>
              <td class="number">{count(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {hint !== undefined && <p class="hint">{hint}</p>}
    </section>
  );
}
