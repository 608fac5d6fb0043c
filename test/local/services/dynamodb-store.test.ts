/**
 * The store of DynamoDB: its use of memory, and a full disk.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { queryObjects } from 'node:v8';
import { create } from 'dynalite/db/index.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DynamoDb, startDynamoDb } from '../../../local/services/dynamodb-service.ts';
import { itemsTable } from '../fixture/items-table.ts';
import { temporaryDirectory } from '../support.ts';

let data: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  data = temporaryDirectory();
});
afterEach(() => data.remove());

const TableName = itemsTable.name;
const quiet = () => {};

/** Returns a function that counts the iterators in this process of the kind of a store in `path`. */
async function iteratorsLike(path: string | undefined): Promise<() => number> {
  const store = create({
    ...(path && { path }),
    createTableMs: 0,
    deleteTableMs: 0,
    updateTableMs: 0,
  });
  await store.db.open();
  const kinds = [store.db.keys({}), store.db.values({})];
  for (const iterator of kinds) await iterator.close();
  await new Promise<void>((resolve) => store.db.close(() => resolve()));
  const countOf = ({ constructor: kind }: object) => queryObjects(kind, { format: 'count' });
  return () => kinds.reduce((sum, iterator) => sum + countOf(iterator), 0);
}

describe.each(['in memory', 'in a directory'])('%s', (where) => {
  const path = () => (where === 'in memory' ? undefined : `${data.path}/kept`);
  let store: DynamoDb;
  afterEach(() => store.close());

  it('no iterator stays open after a query, a scan or a page of a scan', async () => {
    const count = await iteratorsLike(path() && `${data.path}/other`);
    store = await startDynamoDb([itemsTable], path(), quiet);
    for (let id = 0; id < 20; id += 1) {
      await store.run('PutItem', { TableName, Item: { id: { S: String(id) } } });
    }
    const before = count();
    const query = { KeyConditionExpression: 'id = :id', ExpressionAttributeValues: { ':id': { S: '7' } } };
    for (let round = 0; round < 50; round += 1) {
      expect((await store.run('Query', { TableName, ...query })).body.Count).toBe(1);
      expect((await store.run('Scan', { TableName })).body.Count).toBe(20);
      expect((await store.run('Scan', { TableName, Limit: 3 })).body.Count).toBe(3);
      expect((await store.run('ListTables', {})).body.TableNames).toEqual([TableName]);
    }
    // The last iterators may still be closing.
    await expect.poll(count).toBeLessThanOrEqual(before);
  });
});

describe('a disk without room', () => {
  it('is logged, reads go on, writes go on later, and no acknowledged write is lost', async () => {
    // A limit for files stands for the disk: it needs no rights, and fails the same write of LevelDB in its middle. One
    // shell counts blocks of 512 bytes, another of 1,024: either is more than a piece of the log, and less than all of it.
    const program = fileURLToPath(new URL('../fixture/full-disk.ts', import.meta.url));
    const kept = `${data.path}/kept`;
    const child = spawn('sh', ['-c', 'ulimit -f 3000 && exec "$0" "$@"', process.execPath, program, kept], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (line === 'done') break;
    }
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');

    expect(lines).toContainEqual(expect.stringMatching(/^\[dynamodb] cannot write: .*too large.*goes on/));
    expect(lines.filter((line) => line.startsWith('[dynamodb] cannot write')).length).toBeLessThanOrEqual(2);
    expect(lines).toContain('read');
    expect(lines).toContainEqual(expect.stringMatching(/^refused .*too large/));
    expect(lines).toContain(`[dynamodb] writes to ${kept}/dynamodb again`);
    expect(lines.at(-1)).toBe('done');

    const store = await startDynamoDb([itemsTable], kept, quiet);
    const put = lines.flatMap((line) => (line.startsWith('put ') ? [line.slice(4)] : []));
    expect(put.length).toBeGreaterThan(300);
    for (const id of put) {
      const { body } = await store.run('GetItem', { TableName, Key: { id: { S: id } } });
      expect(body.Item, id).toBeDefined();
    }
    await store.close();
  });
});
