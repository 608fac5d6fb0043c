/**
 * The metrics of a hub that runs here, as the local stack reads them out of the logs.
 * @module
 */
import { fieldsOf } from '../../../protocol/fields.ts';

/** The sums since the start, by name, or by name and function. */
export async function sumsOf(control: string): Promise<Record<string, number>> {
  const all: unknown = await (await fetch(`${control}/metrics`)).json();
  const records = Array.isArray(all) ? all.map(fieldsOf) : [];
  const named = records.map(({ name, dimensions, sum }) => {
    const { Stage, Function: door } = fieldsOf(dimensions);
    if (Stage !== 'dev') throw new Error(`${name} is of the stage ${String(Stage)}`);
    return [door === undefined ? String(name) : `${name} ${door}`, Number(sum)];
  });
  return Object.fromEntries(named);
}
