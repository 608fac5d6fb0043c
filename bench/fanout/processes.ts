/**
 * Starts programs of this directory in their own processes, and receives their results.
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** Starts a program that trusts the gateway (fanout-gateway.ts). It ends when it is disconnected. */
export function start(program: string, ...args: readonly string[]): ChildProcess {
  const NODE_EXTRA_CA_CERTS = join(import.meta.dirname, 'localhost-test-only.pem');
  return fork(join(import.meta.dirname, program), args, { env: { ...process.env, NODE_EXTRA_CA_CERTS } });
}

/**
 * Returns the next message of a process.
 * @throws Error if the process ends before
 */
export async function answerOf(child: ChildProcess): Promise<unknown> {
  const over = new AbortController();
  const { signal } = over;
  const failed = once(child, 'exit', { signal }).then(([code]) =>
    Promise.reject(new Error(`a process ended with ${code}`)),
  );
  try {
    const [answer]: unknown[] = await Promise.race([once(child, 'message', { signal }), failed]);
    return answer;
  } finally {
    over.abort();
  }
}

/**
 * Returns a number of a message.
 * @throws Error if the message does not have it
 */
export function numberIn(answer: unknown, name: string): number {
  const value = typeof answer === 'object' && answer !== null ? Reflect.get(answer, name) : undefined;
  if (typeof value !== 'number') throw new Error(`a process did not tell its ${name}`);
  return value;
}
