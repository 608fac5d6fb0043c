/**
 * Snapshots in memory, for tests of the domain.
 * @module
 */
import type {
  SnapshotHead,
  SnapshotMessage,
  SnapshotStore,
  StoredChunk,
} from '../../../lambda/hub/keyed/snapshot-ports.ts';

interface Stored {
  head: SnapshotHead | undefined;
  readonly chunks: Map<string, StoredChunk & { readonly messages: readonly SnapshotMessage[] }>;
}

export function memorySnapshots(): SnapshotStore {
  const streams = new Map<string, Stored>();
  const of = (streamId: string): Stored => {
    const stored = streams.get(streamId) ?? { head: undefined, chunks: new Map() };
    streams.set(streamId, stored);
    return stored;
  };
  return {
    head: async (streamId) => of(streamId).head,
    async replaceHead(streamId, head) {
      const stored = of(streamId);
      if ((stored.head?.version ?? 0) !== head.version - 1) return false;
      stored.head = head;
      return true;
    },
    async removeHead(streamId) {
      of(streamId).head = undefined;
    },
    async putChunk(streamId, chunk, messages) {
      of(streamId).chunks.set(chunk.id, { ...chunk, messages });
    },
    chunk: async (streamId, id) => of(streamId).chunks.get(id)?.messages,
    chunks: async (streamId) => [...of(streamId).chunks.values()].map(({ id, at }) => ({ id, at })),
    async removeChunk(streamId, id) {
      of(streamId).chunks.delete(id);
    },
  };
}
