import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createFaults } from '../../../local/faults/faults.ts';
import { jsonOf } from '../support.ts';
import { startWorkStack, type WorkStack } from '../work-stack.ts';

let fixture: WorkStack;
beforeAll(async () => {
  fixture = await startWorkStack();
});
afterAll(() => fixture.close());
afterEach(() => fixture.reset());

const fault = (body: object) => fixture.control('faults', { method: 'POST', body: JSON.stringify(body) });

describe('faults', () => {
  const exists = async (name: string) => {
    const client = new DynamoDBClient(fixture.settings);
    const { Item } = await client.send(new GetItemCommand(fixture.lookup(name)));
    client.destroy();
    return Item !== undefined;
  };

  it.each([
    ['before', false],
    ['after', true],
  ])('kill %s the call', async (at, written) => {
    const name = `killed-${at}`;
    await fault({ function: 'Work', action: 'dynamodb:PutItem', at, effect: 'kill' });
    expect((await fixture.work({ input: fixture.item(name) })).status).toBe(500);
    expect(await exists(name)).toBe(written);
    expect(await jsonOf(await fixture.work({ input: fixture.item(name) }))).toMatchObject({ status: 200 });
  });

  it('break the connection of a call without a kill', async () => {
    await fault({ function: 'Work', action: 'dynamodb:PutItem', at: 'after', effect: 'reset' });
    expect((await fixture.work({ input: fixture.item('reset') })).status).toBe(500);
    expect(await exists('reset')).toBe(true);
    const processes = async () =>
      (await fixture.records('processes')).filter(({ function: path }) => path === 'Front/Work');
    const [one] = await processes();
    expect(await jsonOf(await fixture.work({ input: fixture.item('reset') }))).toMatchObject({ status: 200 });
    expect(await processes()).toMatchObject([{ pid: one?.pid }]);
  });

  it('kill at the nth matching call', async () => {
    await fault({ function: 'Front/Work', at: 'before', effect: 'kill', call: 2 });
    expect((await fixture.work({ input: fixture.item('nth-1'), twice: fixture.item('nth-2') })).status).toBe(
      500,
    );
    expect(await exists('nth-1')).toBe(true);
    expect(await exists('nth-2')).toBe(false);
  });

  it('kill when the response is posted: the work is done, the answer is lost', async () => {
    await fault({ function: 'Work', at: 'response', effect: 'kill' });
    expect((await fixture.work({ input: fixture.item('unanswered') })).status).toBe(500);
    expect(await exists('unanswered')).toBe(true);
  });

  it('kill on receipt of the invocation', async () => {
    await fault({ function: 'Work', at: 'invoke', effect: 'kill' });
    expect((await fixture.work({ input: fixture.item('unbegun') })).status).toBe(500);
  });

  it('answer an error instead of the call, as often as configured', async () => {
    const effect = { status: 400, type: 'ProvisionedThroughputExceededException', message: 'slow down' };
    await fault({ function: 'Work', action: 'dynamodb:PutItem', at: 'before', effect, times: 2 });
    for (const name of ['first', 'second']) {
      expect(await jsonOf(await fixture.work({ input: fixture.item(name) }))).toEqual({
        status: 400,
        body: {
          __type: expect.stringMatching(/#ProvisionedThroughputExceededException$/),
          message: 'slow down',
        },
      });
      expect(await exists(name)).toBe(false);
    }
    expect(await jsonOf(await fixture.work({ input: fixture.item('third') }))).toMatchObject({ status: 200 });
  });

  it('answer an error after the call was done', async () => {
    const effect = { status: 500, type: 'InternalServerError', message: 'lost' };
    await fault({ function: 'Work', at: 'after', effect });
    expect(await jsonOf(await fixture.work({ input: fixture.item('done') }))).toMatchObject({ status: 500 });
    expect(await exists('done')).toBe(true);
  });

  it('delay the call', async () => {
    await fault({ function: 'Work', at: 'before', effect: { delayMs: 50 } });
    const start = performance.now();
    expect(await jsonOf(await fixture.work({ input: fixture.item('late') }))).toMatchObject({ status: 200 });
    expect(performance.now() - start).toBeGreaterThanOrEqual(45);
  });

  it('apply only to the function and the action that they name', async () => {
    await fault({ function: 'Echo', at: 'before', effect: 'kill' });
    await fault({ function: 'Work', action: 'dynamodb:Query', at: 'before', effect: 'kill' });
    expect(await jsonOf(await fixture.work({ input: fixture.item('unharmed') }))).toMatchObject({
      status: 200,
    });
  });

  it.each([
    [
      { function: 'Work', at: 'sometimes', effect: 'kill' },
      '"at" must be one of before, after, invoke, response',
    ],
    [{ function: 'Work', at: 'before', effect: 'explode' }, '"effect" must be "kill"'],
    [
      { function: 'Work', at: 'before', effect: 'kill', call: 0 },
      '"call" and "times" start at 1, got 0 and 1',
    ],
    [{ function: 'Work', at: 'before', effect: 'kill', when: 'now' }, 'a fault has no field when'],
    [{ at: 'before', effect: 'kill' }, '"function" must be a string'],
    [{ function: 'Work', at: 'response', effect: { delayMs: 1 } }, 'the only effect is "kill"'],
  ])('are refused if they are invalid: %j', async (body, sentence) => {
    const response = await fault(body);
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).message).toContain(sentence);
  });
});

describe('a list of faults', () => {
  it('counts only the calls that match', () => {
    const faults = createFaults();
    faults.add({ function: 'Work', action: 'a:Put', call: 2, times: 2, at: 'before', effect: 'kill' });
    const strikes = ['a:Put', 'a:Get', 'a:Put', 'a:Put', 'a:Put'].map((action) => {
      return faults.effectOn('Front/Work', 'before', { action, resources: [] }) !== undefined;
    });
    expect(strikes).toEqual([false, false, true, true, false]);
  });

  it('applies one fault to a call', () => {
    const faults = createFaults();
    faults.add({ function: '', at: 'before', effect: { delayMs: 1 } });
    faults.add({ function: '', at: 'before', effect: 'kill' });
    expect(faults.effectOn('x', 'before')?.kind).toBe('delay');
    expect(faults.effectOn('x', 'before')?.kind).toBe('kill');
    expect(faults.effectOn('x', 'before')).toBeUndefined();
  });
});
