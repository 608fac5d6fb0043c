/**
 * WebSockets through the edge: after the handshake, bytes go in both directions as they arrive.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/distribution-working-with.websockets.html
 * @module
 */
import type { Agent, IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { EdgeRequest } from './edge-event.ts';
import { ask, type Exchange, type Origin, VIA } from './origin.ts';

/** A request of a viewer for a WebSocket. */
export interface ViewerUpgrade {
  /** The TCP connection of the viewer. */
  readonly socket: Socket;
  /** The bytes that the viewer sent before the answer. */
  readonly head: Buffer;
}

/** Asks the origin for a WebSocket, and connects both sides. A refusal is sent like any other answer. */
export function tunnel(
  origin: Origin,
  agent: Agent,
  edge: EdgeRequest,
  exchange: Exchange,
  { socket: viewer, head }: ViewerUpgrade,
): void {
  const outgoing = ask(origin, agent, edge, exchange, {
    more: { connection: 'Upgrade', upgrade: 'websocket' },
  });
  outgoing.on('upgrade', (incoming, far, farHead) => {
    if (!(far instanceof Socket) || viewer.destroyed) return void far.destroy();
    exchange.response.detachSocket(viewer);
    viewer.write(headOf(incoming, exchange.id));
    if (farHead.length > 0) far.unshift(farHead);
    if (head.length > 0) viewer.unshift(head);
    join(viewer, far);
  });
  outgoing.end();
}

function headOf({ rawHeaders }: IncomingMessage, id: string): string {
  const lines = ['HTTP/1.1 101 Switching Protocols'];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
  }
  lines.push(`via: ${VIA}`, `x-amz-cf-id: ${id}`, '', '');
  return lines.join('\r\n');
}

/** Connects both sides. When one side closes, the other is closed after the last bytes were sent. */
function join(viewer: Socket, far: Socket): void {
  far.setTimeout(0); // the gateway closes idle connections
  for (const [one, other] of [
    [viewer, far],
    [far, viewer],
  ] as const) {
    one.setNoDelay(true);
    one.on('error', () => one.destroy());
    one.on('close', () => other.destroySoon());
    one.pipe(other);
  }
}
