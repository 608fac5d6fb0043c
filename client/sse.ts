/**
 * Server-Sent Events (PROTOCOL.md §5.2). Read with fetch, not with EventSource, which cannot send a token.
 * @module
 */
import { type PollSource, pollOnce, readToEnd } from './poll.ts';
import type { Streams } from './streams.ts';
import { again, type TransportReader } from './transport.ts';

export interface StreamSource extends PollSource {
  readonly streams: Streams;
}

/**
 * Reads what there is by pages, and what comes on a stream that channels share. So a refusal of this channel is known
 * before the stream is opened, which would be refused for all.
 */
export const eventStreamReader = (source: StreamSource): TransportReader => ({
  name: 'sse',
  run: (flow) =>
    again(source.host, flow, async (up) => {
      const { cursor, streams } = source;
      const check = async (): Promise<void> => void (await readToEnd(source, flow.signal, () => {}));
      let page = await readToEnd(source, flow.signal, () => {});
      while (!flow.signal.aborted) {
        const ended = streams.attach({ cursor, flow, check });
        if (ended) await ended;
        else page = await pollOnce(source, flow.signal, up, page);
      }
    }),
});
