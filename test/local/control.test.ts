import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLocalStack } from '../../local/stack.ts';
import { jsonOf } from './support.ts';
import { startWorkStack, type WorkStack } from './work-stack.ts';

let fixture: WorkStack;
beforeAll(async () => {
  fixture = await startWorkStack();
});
afterAll(() => fixture.close());

describe('the control endpoints', () => {
  it.each([
    ['nobody', ''],
    ['somebody', `/${'0'.repeat(40)}`],
  ])('refuse a path with the secret of %s', async (_, secret) => {
    for (const [method, path] of [
      ['GET', 'calls'],
      ['DELETE', 'connections'],
      ['POST', 'faults'],
    ] as const) {
      const response = await fetch(`${fixture.stack.aws.endpoint}/_local${secret}/${path}`, { method });
      expect([response.status, await response.json()]).toEqual([
        403,
        { message: 'the path must have the secret of this start' },
      ]);
    }
  });

  it('have another secret at each start', async () => {
    const other = await startLocalStack({ assembly: fixture.assembly });
    const [secret, another] = [fixture.stack, other].map(({ control }) => control.split('/').at(-1));
    await other.close();
    expect(secret).toMatch(/^[0-9a-f]{40}$/);
    expect(another).not.toBe(secret);
  });

  it('list themselves in a 404', async () => {
    const response = await fixture.control('nothing');
    expect(response.status).toBe(404);
    expect((await jsonOf(response)).message).toContain('GET /grants');
  });
});
