/**
 * A client on a host that stands still, with its socket open: what tests of publishing begin with.
 * @module
 */
import type { Hub } from '../../../client/connect.ts';
import { offsetAt } from '../domain/fake-log.ts';
import { type FakeWire, type StillHost, settled } from './still-host.ts';

/** The answer to a publish that was stored. */
export const stored = (offset = offsetAt(1)) =>
  new Response(null, { status: 204, headers: { 'Stream-Next-Offset': offset } });

/** Has the client open its socket, and returns the hub's end of it. */
export async function openWire(host: StillHost, hub: Hub): Promise<FakeWire> {
  hub.subscribe('other', { onMessages() {} });
  await settled();
  const [wire] = host.wires;
  if (!wire) throw new Error('no socket was opened');
  wire.open();
  await settled();
  return wire;
}
