/**
 * A WebSocket through the edge: once the origin has let it in, bytes go both ways as they come.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/distribution-working-with.websockets.html
 * @module
 */
import type { Agent, IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { EdgeRequest } from './edge-event.ts';
import { ask, type Exchange, type Origin, VIA } from './origin.ts';

/** The connection of a viewer that asks for a WebSocket, and what came on it already. */
export interface Upgrade {
  readonly socket: Socket;
  readonly head: Buffer;
}

/** Asks the origin. A refusal is an answer like any other. */
export function tunnel(
  origin: Origin,
  agent: Agent,
  edge: EdgeRequest,
  exchange: Exchange,
  { socket: viewer, head }: Upgrade,
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

/** Whoever leaves takes the other along, once what he said has been passed on. */
function join(viewer: Socket, far: Socket): void {
  far.setTimeout(0); // how long silence may last is the gateway's affair
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
