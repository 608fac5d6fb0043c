/**
 * The Snapshots table: the head and the chunks of each keyed channel, key `streamId` and `part`. Chunks are compressed, because
 * DynamoDB bills each KB: messages of one channel are alike, and become five to ten times smaller.
 * @module
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { fieldsOf } from '../../../../protocol/fields.ts';
import { formatOffset } from '../../../../protocol/offset.ts';
import type {
  SnapshotHead,
  SnapshotMessage,
  SnapshotRun,
  SnapshotStore,
  StoredChunk,
} from '../../../hub/keyed/snapshot-ports.ts';
import { call } from '../../aws-client.ts';
import type { DocumentClient, GetInput, PutInput, QueryInput } from '../../calls/document-calls.ts';
import { callIf, expiryOf } from '../document-client.ts';
import { type Item, listOf, numberOf, positionOf, textOf } from '../stored-attributes.ts';

const HEAD = 'head';
/** Before the id of a chunk. */
const CHUNK = 'chunk#';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** Returns the store of snapshots. */
export function snapshotsInDynamoDb(client: DocumentClient, table: string): SnapshotStore {
  async function get(streamId: string, part: string): Promise<Item | undefined> {
    const input: GetInput = { TableName: table, Key: { streamId, part }, ConsistentRead: true };
    return (await call(() => client.get(input))).Item;
  }
  async function remove(streamId: string, part: string): Promise<void> {
    await call(() => client.delete({ TableName: table, Key: { streamId, part } }));
  }
  return {
    async head(streamId) {
      const item = await get(streamId, HEAD);
      return item && headOf(item);
    },

    async replaceHead(streamId, { id, version, end, runs }, until) {
      const put: PutInput = {
        TableName: table,
        Item: { streamId, part: HEAD, id, version, end: formatOffset(end), runs, ...ending(until) },
        ...(version === 1
          ? { ConditionExpression: 'attribute_not_exists(streamId)' }
          : {
              ConditionExpression: '#version = :before',
              ExpressionAttributeNames: { '#version': 'version' },
              ExpressionAttributeValues: { ':before': version - 1 },
            }),
      };
      return (await callIf(() => client.put(put))) !== undefined;
    },

    removeHead: (streamId) => remove(streamId, HEAD),

    async putChunk(streamId, { id, at }, messages, until) {
      const rows = await compress(JSON.stringify(messages.map(rowOf)));
      const put: PutInput = {
        TableName: table,
        Item: { streamId, part: `${CHUNK}${id}`, at, rows, ...ending(until) },
      };
      await call(() => client.put(put));
    },

    async chunk(streamId, id) {
      const item = await get(streamId, `${CHUNK}${id}`);
      if (!item) return undefined;
      if (!(item.rows instanceof Uint8Array)) throw new Error('stored chunk has no rows');
      const rows: unknown = JSON.parse((await decompress(item.rows)).toString());
      if (!Array.isArray(rows)) throw new Error('stored chunk has no list of rows');
      return rows.map(messageOf);
    },

    async chunks(streamId) {
      const found: StoredChunk[] = [];
      let after: Item | undefined;
      do {
        const query: QueryInput = {
          TableName: table,
          KeyConditionExpression: 'streamId = :streamId AND begins_with(part, :chunk)',
          ExpressionAttributeValues: { ':streamId': streamId, ':chunk': CHUNK },
          ConsistentRead: true,
          ProjectionExpression: 'part, #at',
          ExpressionAttributeNames: { '#at': 'at' },
          ...(after === undefined ? {} : { ExclusiveStartKey: after }),
        };
        const { Items = [], LastEvaluatedKey } = await call(() => client.query(query));
        for (const item of Items)
          found.push({ id: textOf(item, 'part').slice(CHUNK.length), at: numberOf(item, 'at') });
        after = LastEvaluatedKey;
      } while (after !== undefined);
      return found;
    },

    removeChunk: (streamId, id) => remove(streamId, `${CHUNK}${id}`),
  };
}

const ending = (until: number | undefined): Item => (until === undefined ? {} : { expiry: expiryOf(until) });

function headOf(item: Item): SnapshotHead {
  return {
    id: textOf(item, 'id'),
    version: numberOf(item, 'version'),
    end: positionOf(item, 'end'),
    runs: listOf(item, 'runs', runOf),
  };
}

function runOf(value: unknown): SnapshotRun {
  const run = fieldsOf(value);
  return {
    chunks: listOf(run, 'chunks', String),
    bytes: numberOf(run, 'bytes'),
    keys: numberOf(run, 'keys'),
  };
}

/** A row of a chunk: slot, index, time, key, and the text; null for a removal. */
type Row = readonly [number, number, number, string, string | null];

const rowOf = ({ at, time, key, isDelete, text }: SnapshotMessage): Row => [
  at.entry,
  at.index,
  time,
  key,
  isDelete ? null : text,
];

function messageOf(row: unknown): SnapshotMessage {
  const [entry, index, time, key, text]: readonly unknown[] = Array.isArray(row) ? row : [];
  const isKnown =
    typeof entry === 'number' &&
    typeof index === 'number' &&
    typeof time === 'number' &&
    typeof key === 'string' &&
    (typeof text === 'string' || text === null);
  if (!isKnown) throw new Error('stored chunk has a row of another form');
  return { at: { entry, index }, time, key, isDelete: text === null, text: text ?? '' };
}
