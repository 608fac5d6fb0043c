/**
 * Listeners: clients on sockets that apply the gap rule (PROTOCOL.md §12.3) to each frame, and record all frames.
 * @module
 */
import { WebSocket } from 'ws';
import { decideByOffset, type GapDecision } from '../client/cursor.ts';
import { parseFrame } from '../client/transports/frames.ts';
import type { MeasuredHub } from './hub.ts';

/** A frame, and the decision of the gap rule about it. */
export interface Arrival {
  /** The time of its arrival, by `performance.now()`. */
  readonly at: number;
  /** The size of the frame, in bytes. */
  readonly bytes: number;
  /** The decision of the gap rule. */
  readonly decision: GapDecision;
  /** The messages in the frame. */
  readonly messages: readonly unknown[];
}

/** A client on a socket. */
export interface Listener {
  /** Returns all frames since the last `forget`. */
  readonly arrivals: () => readonly Arrival[];
  /** Forgets the frames recorded until now. */
  readonly forget: () => void;
  /** Closes the socket. */
  readonly close: () => void;
}

/**
 * Opens a socket, and subscribes to the channel from `now`. Resolves when the hub has accepted the subscription.
 * @param arrived receives each frame when it arrives
 */
export async function listen(
  { socketUrl, token }: Pick<MeasuredHub, 'socketUrl' | 'token'>,
  channel: string,
  arrived: (arrival: Arrival) => void = () => {},
): Promise<Listener> {
  const socket = new WebSocket(socketUrl, ['tidings.v1', `bearer.${token}`]);
  let offset = '';
  let arrivals: Arrival[] = [];
  await new Promise<void>((resolve, reject) => {
    const request = { action: 'subscribe', channel, offset: 'now', id: '1' };
    socket.on('open', () => socket.send(JSON.stringify(request)));
    socket.on('error', reject);
    socket.on('message', (data) => {
      const at = performance.now();
      const text = String(data);
      const parsed = parseFrame(text);
      if (parsed?.kind === 'error') reject(parsed.error);
      if (parsed?.kind === 'answer') {
        offset = parsed.answer.offset ?? offset;
        resolve();
      }
      // No offset decides about messages that are not stored.
      if (parsed?.kind === 'ephemeral')
        arrived({
          at,
          bytes: Buffer.byteLength(text),
          decision: 'next',
          messages: parsed.ephemeral.messages,
        });
      if (parsed?.kind !== 'messages') return;
      const decision = decideByOffset(offset, parsed.frame);
      if (decision === 'next') offset = parsed.frame.next;
      const arrival = { at, bytes: Buffer.byteLength(text), decision, messages: parsed.frame.messages };
      arrivals.push(arrival);
      arrived(arrival);
    });
  });
  return {
    arrivals: () => arrivals,
    forget() {
      arrivals = [];
    },
    close: () => socket.close(),
  };
}
