/**
 * Tallies as rows of the Subscribers table, one for each caller and kind: `window`, `current` (taken in it), and `total`
 * (those of the window before, too). One conditional write counts, and one gives back.
 *
 * The name of a caller is hashed: it is as long as a token makes it, where a key has 2,048 bytes.
 * @module
 */
import { createHash } from 'node:crypto';
import { type DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { Refusal } from '../../protocol/errors.ts';
import type { Counted, TallyStore } from '../hub/tally.ts';
import { call } from './client.ts';
import { callIf, expiryOf, numberOf } from './dynamodb.ts';
import { type Item, namesIn } from './stored.ts';

/** Attempts at a count that others changed meanwhile: each fails once in a window, as somebody begins the next. */
const ATTEMPTS = 3;

const COUNT = 'SET #total = #total + :one, #current = #current + :one';
const UNCOUNT = 'SET #total = #total - :one, #current = #current - :one';
const UNCOUNT_FORMER = 'SET #total = #total - :one';
/** Each side of it sees the row as it was: what was the current count is all that is left. */
const MOVE_ON = 'SET #total = #current + :one, #current = :one, #window = :window, expiry = :expiry';
const BEGIN = 'SET #total = :one, #current = :one, #window = :window, expiry = :expiry';

/** @param windowMs at least as long as anything lives that is counted, in milliseconds */
export function tallyInDynamoDb(
  client: DynamoDBDocumentClient,
  table: string,
  kind: string,
  windowMs: number,
): TallyStore {
  const windowOf = (time: number) => Math.floor(time / windowMs);
  const keyOf = (caller: Counted) => ({ pattern: `#${kind}:${hashOf(caller)}`, connection: '#' });

  async function change(caller: Counted, update: string, condition: string, values: Item): Promise<boolean> {
    const command = new UpdateCommand({
      TableName: table,
      Key: keyOf(caller),
      UpdateExpression: update,
      ConditionExpression: condition,
      ExpressionAttributeNames: namesIn(update, condition),
      ExpressionAttributeValues: { ':one': 1, ...values },
    });
    return (await callIf(() => client.send(command))) !== undefined;
  }

  async function rowOf(caller: Counted): Promise<Item | undefined> {
    const get = new GetCommand({ TableName: table, Key: keyOf(caller), ConsistentRead: true });
    return (await call(() => client.send(get))).Item;
  }

  /** Begins the window, with what is left of the one that the row is at. False if somebody else did, or there is no room. */
  async function begin(
    caller: Counted,
    row: Item | undefined,
    window: number,
    most: number,
  ): Promise<boolean> {
    const values = { ':window': window, ':expiry': expiryOf((window + 2) * windowMs) };
    if (row === undefined) return await change(caller, BEGIN, 'attribute_not_exists(#window)', values);
    const before = numberOf(row, 'window');
    const isNext = before === window - 1;
    const condition = isNext ? '#window = :before AND #current < :most' : '#window = :before';
    const more = { ':before': before, ...(isNext ? { ':most': most } : {}) };
    return await change(caller, isNext ? MOVE_ON : BEGIN, condition, { ...values, ...more });
  }

  return {
    async take(caller, now, most) {
      let window = windowOf(now);
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const values = { ':window': window, ':most': most };
        if (await change(caller, COUNT, '#window = :window AND #total < :most', values)) return true;
        const row = await rowOf(caller);
        const there = row && numberOf(row, 'window');
        if (row && there !== undefined && there >= window) {
          if (numberOf(row, 'total') >= most) return false;
          // The clock of another process is ahead.
          window = there;
        } else {
          if (await begin(caller, row, window, most)) return true;
          if (row && there === window - 1 && numberOf(row, 'current') >= most) return false;
        }
      }
      throw new Refusal('unavailable', 'too many come at this moment; retry');
    },
    async giveBack(caller, takenAt) {
      const window = windowOf(takenAt);
      const isCurrent = '#window = :window AND #current > :none';
      const values = { ':window': window, ':none': 0 };
      if (await change(caller, UNCOUNT, isCurrent, values)) return;
      await change(caller, UNCOUNT_FORMER, '#window = :window AND #total > #current', {
        ':window': window + 1,
      });
    },
  };
}

/** All who have no name are one, whom no name is like. */
const hashOf = (caller: Counted): string =>
  caller === undefined ? '' : createHash('sha256').update(caller).digest('base64url');
