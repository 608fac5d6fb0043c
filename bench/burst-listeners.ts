/**
 * Clients on sockets that judge each frame by the gap rule (PROTOCOL.md §12.3) and keep count of all that came.
 * @module
 */
import { WebSocket } from 'ws';
import { parseFrame } from '../client/frames.ts';
import { decideByOffset, type GapDecision } from '../client/gap-rule.ts';
import type { BenchedHub } from './hub.ts';

/** A frame as it came. */
export interface Arrival {
  readonly at: number;
  readonly bytes: number;
  readonly verdict: GapDecision;
  readonly messages: readonly unknown[];
}

export interface Listener {
  /** Everything since it was last told to forget. */
  readonly arrivals: () => readonly Arrival[];
  readonly forget: () => void;
  readonly close: () => void;
}

/** Subscribes to the channel from now on. @param arrived takes each frame as it comes */
export async function listen(
  { socketUrl, token }: BenchedHub,
  channel: string,
  arrived: (arrival: Arrival) => void = () => {},
): Promise<Listener> {
  const socket = new WebSocket(socketUrl, ['tidings.v1', `bearer.${token}`]);
  let mine = '';
  let arrivals: Arrival[] = [];
  await new Promise<void>((resolve, reject) => {
    const request = { action: 'subscribe', channel, offset: 'now', id: '1' };
    socket.on('open', () => socket.send(JSON.stringify(request)));
    socket.on('error', reject);
    socket.on('message', (data) => {
      const at = performance.now();
      const text = String(data);
      const said = parseFrame(text);
      if (said?.kind === 'error') reject(said.error);
      if (said?.kind === 'answer') {
        mine = said.answer.offset ?? mine;
        resolve();
      }
      if (said?.kind !== 'messages') return;
      const verdict = decideByOffset(mine, said.frame);
      if (verdict === 'next') mine = said.frame.next;
      const arrival = { at, bytes: Buffer.byteLength(text), verdict, messages: said.frame.messages };
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
