/**
 * A client on a host that stands still, with its socket open: what tests of the client begin with, and how they end.
 * @module
 */
import { expect } from 'vitest';
import type { Hub } from '../../../client/connect.ts';
import { offsetAt } from '../domain/fake-log.ts';
import { type FakeWire, type StillHost, settled } from './still-host.ts';

/** The answer to a publish that was stored. */
export const stored = (offset = offsetAt(1)) =>
  new Response(null, { status: 204, headers: { 'Stream-Next-Offset': offset } });

/** Opens the newest socket of the client, and returns the hub's end of it. */
export async function openNewest(host: StillHost): Promise<FakeWire> {
  await settled();
  const wire = host.wires.at(-1);
  if (!wire) throw new Error('no socket was opened');
  wire.open();
  await settled();
  return wire;
}

/** Opens the newest socket of the client, and confirms a subscription. */
export async function confirmNewest(host: StillHost, offset = offsetAt(0)): Promise<FakeWire> {
  const wire = await openNewest(host);
  wire.answer('subscribe', { type: 'subscribed', offset });
  await settled();
  return wire;
}

/** Has the client open its first socket, and returns the hub's end of it. */
export async function openWire(host: StillHost, hub: Hub): Promise<FakeWire> {
  hub.subscribe('other', { onMessages() {} });
  return await openNewest(host);
}

/** Returns frames with messages of a channel. */
export const framesOf =
  (channel: string) =>
  (from: number, next: number, ...messages: unknown[]) => ({
    type: 'messages',
    channel,
    from: offsetAt(from),
    next: offsetAt(next),
    messages,
  });

/** Closes a client. It leaves nothing: no timer and no socket. */
export async function closeWhole(host: StillHost, hub: Hub | undefined): Promise<void> {
  hub?.close();
  await settled();
  expect([host.timers(), host.open().length]).toEqual([0, 0]);
}
