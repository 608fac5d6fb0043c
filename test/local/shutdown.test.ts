import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createShutdown, STEP_MS } from '../../local/shutdown.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function partsOf(ended: string[]) {
  const part = (name: string, end: () => Promise<void> = async () => {}) => ({
    name,
    end: () => {
      ended.push(name);
      return end();
    },
  });
  return part;
}

describe('the shutdown of a stack', () => {
  it('takes the last step first, and each step once', async () => {
    const ended: string[] = [];
    const part = partsOf(ended);
    const close = createShutdown([part('the listener'), part('the store')], () => {});
    await Promise.all([close(), close()]);
    await close();
    expect(ended).toEqual(['the store', 'the listener']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('takes the other steps when one fails, and logs its name', async () => {
    const ended: string[] = [];
    const lines: string[] = [];
    const part = partsOf(ended);
    const broken = part('the queues', () => Promise.reject(new Error('database is not open')));
    const thrown = part('the store', () => {
      throw new Error('closed');
    });
    await createShutdown([part('the listener'), thrown, broken], (line) => void lines.push(line))();
    expect(ended).toEqual(['the queues', 'the store', 'the listener']);
    expect(lines).toEqual([
      '[stack] the queues did not end: database is not open',
      '[stack] the store did not end: closed',
    ]);
  });

  it('waits for no step longer than the time limit', async () => {
    const ended: string[] = [];
    const lines: string[] = [];
    const part = partsOf(ended);
    const stuck = part('the functions', () => new Promise(() => {}));
    const closing = createShutdown([part('the listener'), stuck], (line) => void lines.push(line))();
    await vi.advanceTimersByTimeAsync(STEP_MS - 1);
    expect(ended).toEqual(['the functions']);
    await vi.advanceTimersByTimeAsync(1);
    await closing;
    expect(ended).toEqual(['the functions', 'the listener']);
    expect(lines).toEqual(['[stack] the functions did not end: it takes longer than 12 s']);
  });
});
