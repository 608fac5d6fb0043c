/**
 * What the local stack says about itself at its control endpoints (local/control.ts).
 * @module
 */
import { type Fields, fieldsOf } from '../../protocol/fields.ts';

/** The functions that hold requests: streams and long polls. */
const HOLDING = /\/(Stream|Hold)\//;

/** Returns the rows of a list. @param what the list, such as `calls` @throws Error if the stack answers no list */
export async function rowsOf(control: string, what: string): Promise<readonly Fields[]> {
  const rows: unknown = await (await fetch(`${control}/${what}`)).json();
  if (!Array.isArray(rows)) throw new Error(`the control endpoint did not answer a list of ${what}`);
  return rows.map(fieldsOf);
}

/** Returns the name of the construct of a function, such as `Publish`, from the path of the function. */
export const functionIn = (path: unknown): string => String(path).split('/')[1] ?? '';

/** Returns the number of open sockets, and of streams and long polls that are held. */
export async function connectedTo(control: string): Promise<number> {
  const [sockets, processes] = await Promise.all([
    rowsOf(control, 'connections'),
    rowsOf(control, 'processes'),
  ]);
  const held = processes.filter((each) => HOLDING.test(String(each.function)));
  return sockets.length + held.reduce((sum, { inFlight }) => sum + Number(inFlight), 0);
}
