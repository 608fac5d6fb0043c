/**
 * Readers of one channel, one for each transport. They record when each event arrives.
 * @module
 */
import { listen } from '../burst-listeners.ts';
import type { MeasuredHub } from '../hub.ts';

/** The URLs and the token of a hub. */
export type Source = Pick<MeasuredHub, 'url' | 'socketUrl' | 'token'>;

/** A reader of one channel by one transport. */
export interface Reader {
  /** Number of an event → time of its arrival, by `performance.now()`. */
  readonly seen: ReadonlyMap<number, number>;
  /** Ends the reader. */
  readonly close: () => void;
}

/** Opens a reader of the channel. The channel must exist. */
export type Open = (hub: Source, channel: string) => Promise<Reader>;

/** Opens a socket, and subscribes from now. */
export async function openSocket(hub: Source, channel: string): Promise<Reader> {
  const seen = new Map<number, number>();
  const listener = await listen(hub, channel, ({ at, messages }) => note(seen, messages, at));
  return { seen, close: listener.close };
}

/** Opens an event stream from the beginning of the channel. */
export async function openStream({ url, token }: Source, channel: string): Promise<Reader> {
  const seen = new Map<number, number>();
  const ending = new AbortController();
  const headers = { Authorization: `Bearer ${token}`, Accept: 'text/event-stream' };
  const init = { headers, signal: ending.signal };
  const { body } = await fetch(`${url}/channels/${channel}?offset=-1`, init);
  if (!body) throw new Error('the stream has no body');
  void (async () => {
    let text = '';
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = /^data: ?(.*)$/m.exec(event)?.[1];
        if (data?.startsWith('{')) note(seen, [JSON.parse(data)], performance.now());
      }
    }
  })().catch(() => {}); // `close` aborts it
  return { seen, close: () => ending.abort() };
}

/** Polls from the beginning of the channel. */
export async function openLongPoll({ url, token }: Source, channel: string): Promise<Reader> {
  const seen = new Map<number, number>();
  const ending = new AbortController();
  const init = { headers: { Authorization: `Bearer ${token}` }, signal: ending.signal };
  let offset = '-1';
  void (async () => {
    while (!ending.signal.aborted) {
      const response = await fetch(`${url}/channels/${channel}?live=long-poll&offset=${offset}`, init);
      if (!response.ok) throw new Error(`a long poll was answered ${response.status}`);
      const messages: unknown = response.status === 200 ? await response.json() : [];
      note(seen, messages, performance.now());
      offset = response.headers.get('Stream-Next-Offset') ?? offset;
    }
  })().catch(() => {}); // `close` aborts it
  return { seen, close: () => ending.abort() };
}

/** Records messages. Only the first arrival of each counts. */
export function note(seen: Map<number, number>, messages: unknown, at: number): void {
  for (const message of Array.isArray(messages) ? messages : []) {
    const n =
      typeof message === 'object' && message !== null && 'n' in message ? Number(message.n) : Number.NaN;
    if (!seen.has(n)) seen.set(n, at);
  }
}
