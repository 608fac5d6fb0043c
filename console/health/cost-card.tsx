/**
 * What the hub would have cost on AWS.
 * @module
 */
import { dollars } from '../format.ts';
import { hasFrontDoor } from '../session.ts';
import type { HealthReport } from './health-report.ts';
import { monthlyCost, type RunningCost, runningCost, totalOf } from './running-cost.ts';

const PARTS: readonly (readonly [keyof RunningCost, string])[] = [
  ['calls', 'AWS calls of functions'],
  ['gateways', 'Requests at the APIs and the front door'],
  ['runs', 'Runs of functions'],
  ['waiting', 'Functions that wait: long polls, streams, webhooks'],
];

/** The parts, their sum, and a month at this rate. */
export function CostCard({ report }: { report: HealthReport }) {
  const cost = runningCost(report, hasFrontDoor());
  const total = totalOf(cost);
  const month = monthlyCost(total, report.ms);
  return (
    <section class="card">
      <table class="rows">
        <caption>What this would cost on AWS</caption>
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col" class="number">
              Since the start
            </th>
            <th scope="col" class="number">
              A month like this
            </th>
          </tr>
        </thead>
        <tbody>
          {PARTS.map(([part, label]) => (
            <Row key={part} label={label} total={cost[part]} month={monthlyCost(cost[part], report.ms)} />
          ))}
        </tbody>
        <tfoot>
          <Row label="Together" total={total} month={month} />
        </tfoot>
      </table>
      <p class="hint">
        {Number.isNaN(month) && 'The month is known after the first minute. '}
        By the list prices of us-east-1. Not counted: storage, logs, alarms, bytes sent, and the time for
        which sockets are open.
      </p>
    </section>
  );
}

function Row({ label, total, month }: { label: string; total: number; month: number }) {
  return (
    <tr>
      <th scope="row">{label}</th>
      <td class="number">{dollars(total)}</td>
      <td class="number">{dollars(month)}</td>
    </tr>
  );
}
