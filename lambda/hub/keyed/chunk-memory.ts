/**
 * Remembers chunks of snapshots. A chunk never changes, and only the head says which chunks count, so a process may use what it has read
 * before. Then a read from `latest` costs the head and what is new, also if a caller repeats it a thousand times a second.
 * @module
 */
import { recent } from '../bounded-map.ts';
import type { SnapshotMessage, SnapshotStore } from './snapshot-ports.ts';

/** Characters of messages and keys that a process remembers: some 16 MB of memory. */
const MOST_CHARACTERS = 8_000_000;

/** Returns the store with a memory of chunks. @param most characters that it remembers */
export function rememberingChunks(store: SnapshotStore, most = MOST_CHARACTERS): SnapshotStore {
  const known = recent<readonly SnapshotMessage[]>(most, (messages) =>
    messages.reduce((sum, { key, text }) => sum + key.length + text.length, 1),
  );
  return {
    ...store,
    async chunk(streamId, id) {
      const name = `${streamId} ${id}`;
      const remembered = known.get(name);
      if (remembered) return remembered;
      const messages = await store.chunk(streamId, id);
      if (messages) known.set(name, messages);
      return messages;
    },
  };
}
