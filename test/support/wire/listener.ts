/**
 * A subscriber on a socket who holds every frame against the gap rule (PROTOCOL.md §12.3) and repairs nothing.
 * @module
 */
import { WebSocket } from 'ws';

export interface Listener {
  /** The messages, in the order in which they were taken. */
  readonly taken: unknown[];
  /** Frames that neither followed nor came before. */
  readonly breaks: string[];
  /** Frames that came again. */
  readonly dropped: () => number;
  /** Closes the socket, and ends when it is closed. */
  readonly close: () => Promise<void>;
}

/** Ends when the subscription is confirmed; fails if the socket or the subscription is refused. */
export async function listen(
  socketUrl: string,
  token: string,
  channel: string,
  offset = 'now',
): Promise<Listener> {
  const socket = new WebSocket(socketUrl, ['tidings.v1', `bearer.${token}`]);
  const taken: unknown[] = [];
  const breaks: string[] = [];
  let dropped = 0;
  let next: string | undefined;
  let confirm: () => void = () => {};
  let refuse: (error: Error) => void = () => {};
  const confirmed = new Promise<void>((resolve, reject) => {
    confirm = resolve;
    refuse = reject;
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed before it was subscribed')));
  });
  const hear = (frame: Readonly<Record<string, unknown>>): void => {
    if (frame.type === 'subscribed') {
      next ??= typeof frame.offset === 'string' ? frame.offset : undefined;
      confirm();
    }
    if (frame.type === 'error') {
      refuse(new Error(JSON.stringify(frame)));
      breaks.push(JSON.stringify(frame));
    }
    // The gateway itself answers a frame for which no function has room (PROTOCOL.md §12.2).
    if (frame.type === undefined) refuse(new Error(JSON.stringify(frame)));
    if (frame.type !== 'messages') return;
    const [from, to] = [String(frame.from), String(frame.next)];
    if (next !== undefined && from !== next) {
      if (to <= next) dropped++;
      else breaks.push(`has ${next}, got ${from} to ${to}`);
      return;
    }
    if (Array.isArray(frame.messages)) taken.push(...frame.messages);
    next = to;
  };
  socket.on('message', (data) => hear(JSON.parse(String(data))));
  socket.on('open', () => socket.send(JSON.stringify({ action: 'subscribe', channel, offset })));
  try {
    await confirmed;
  } catch (error) {
    socket.terminate();
    throw error;
  }
  return {
    taken,
    breaks,
    dropped: () => dropped,
    close: () =>
      new Promise((resolve) => {
        socket.on('close', () => resolve());
        socket.close();
      }),
  };
}
