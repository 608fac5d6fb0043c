/**
 * Few folds at once.
 * @module
 */
import { expect, test } from 'vitest';
import { fewAtOnce } from '../../../../lambda/hub/keyed/few-at-once.ts';

test('at most so many are under way, all come to their turn in order, and one that fails frees its place', async () => {
  const inTurn = fewAtOnce(2);
  let underWay = 0;
  let most = 0;
  const began: number[] = [];
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) =>
      inTurn(async () => {
        began.push(n);
        most = Math.max(most, ++underWay);
        await new Promise(setImmediate);
        underWay -= 1;
        if (n % 3 === 0) throw new Error('a fold that fails');
        return n;
      }),
    ),
  );
  expect(most).toBe(2);
  expect(began).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(7);
});
