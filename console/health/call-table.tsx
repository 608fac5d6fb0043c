/**
 * The AWS calls of the functions.
 * @module
 */
import { hasPrice } from '../../bench/prices.ts';
import { count, dollars, NONE } from '../format.ts';
import type { CallSum } from './health-report.ts';
import { costOfCalls } from './running-cost.ts';

/** One row for each function and action, the functions in the order of their names, the most frequent calls first. */
export function CallTable({ calls }: { calls: readonly CallSum[] }) {
  const rows = calls.toSorted((a, b) => a.function.localeCompare(b.function) || b.count - a.count);
  const all = calls.reduce((sum, each) => sum + each.count, 0);
  return (
    <section class="card">
      <table class="rows">
        <caption>AWS calls by function: {count(all)}</caption>
        <thead>
          <tr>
            <th scope="col">Function</th>
            <th scope="col">Call</th>
            <th scope="col" class="number">
              Calls
            </th>
            <th scope="col" class="number">
              Cost
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={`${row.function} ${row.action}`}>
              <th scope="row">{row.function}</th>
              <td>
                <Action name={row.action} />
              </td>
              <td class="number">{count(row.count)}</td>
              <td class="number">{hasPrice(row.action) ? dollars(costOfCalls(row)) : NONE}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** The name of a call, which a narrow screen breaks after the service. */
function Action({ name }: { name: string }) {
  const [service = '', ...rest] = name.split(':');
  return (
    <>
      {service}:<wbr />
      {rest.join(':')}
    </>
  );
}
