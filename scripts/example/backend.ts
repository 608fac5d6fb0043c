/**
 * Starts the backend of an example as your own one would run: a program that gets the hub and its key from the environment.
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));

/** Starts a program of an example. A server ends with this process, even if this process is killed. @param program its file, below examples/ */
export const startBackend = (
  program: string,
  environment: Readonly<Record<string, string>>,
  output: 'inherit' | 'pipe',
): ChildProcess =>
  spawn(process.execPath, [join(EXAMPLES, program)], {
    stdio: ['ignore', output, 'inherit', 'ipc'],
    env: { ...process.env, ...environment },
  });
