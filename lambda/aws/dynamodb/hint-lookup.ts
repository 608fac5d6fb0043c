/**
 * What a hint looks up, in one BatchGetItem over two tables.
 * @module
 */

import type { HintLookup, PatternState } from '../../hub/push/push-ports.ts';
import type { DocumentClient } from '../calls/document-calls.ts';
import { cursorKey, cursorRowOf } from './cursors-table.ts';
import { batchGetOf } from './document-client.ts';
import { type Item, ifThere, numberOf, textOf } from './stored-attributes.ts';
import { patternKey, waitingIn, waitKey } from './subscribers-table.ts';

/** The names of the tables. */
export interface HintTables {
  /** Has the subscribers, and the processes that hold requests. */
  readonly SUBSCRIBERS_TABLE: string;
  /** Has the cursors of shards. */
  readonly CURSORS_TABLE: string;
}

/** Returns the look-up of hints. */
export function hintLookupInDynamoDb(
  client: DocumentClient,
  { SUBSCRIBERS_TABLE, CURSORS_TABLE }: HintTables,
): HintLookup {
  return {
    async find(channel, patterns, shards, now) {
      const wait = waitKey(channel);
      const itemsOf = await batchGetOf(client, {
        [SUBSCRIBERS_TABLE]: [...patterns.map(patternKey), wait],
        [CURSORS_TABLE]: shards.map(cursorKey),
      });
      const items = itemsOf(SUBSCRIBERS_TABLE);
      const isWait = ({ pattern }: Item): boolean => pattern === wait.pattern;
      const known = items.filter((item) => !isWait(item) && numberOf(item, 'until') > now);
      return {
        patterns: new Map(known.map((item) => [nameIn(item, 'pattern'), stateOf(item)])),
        cursors: new Map(itemsOf(CURSORS_TABLE).map((item) => [nameIn(item, 'shard'), cursorRowOf(item)])),
        waiting: waitingIn(items.find(isWait), now),
      };
    },
  };
}

/** Returns the pattern in a key. It has no `#`, and a number or nothing follows it. */
const nameIn = (item: Item, name: string): string => textOf(item, name).split('#', 1)[0] ?? '';

/** A row that DynamoDB deleted counts from the beginning again. The time tells the two counts apart. */
const stateOf = (item: Item): PatternState => ({
  shards: numberOf(item, 'shards'),
  version: `${numberOf(item, 'since')}.${ifThere(item, 'version', numberOf) ?? 0}`,
});
