/**
 * Starts reaper.mjs, which cleans up after the stack, even if this process is killed.
 * @module
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Reaper {
  watch(pid: number): void;
  forget(pid: number): void;
  close(): Promise<void>;
}

/**
 * One reaper for all processes of a stack.
 * @param directory is removed when they have ended
 */
export function startReaper(directory: string): Reaper {
  const program = fileURLToPath(new URL('reaper.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {},
    detached: true, // a kill of the whole process group must not take it first
  });
  const gone = new Promise<void>((resolve) => {
    child.on('exit', () => resolve());
    child.on('error', () => resolve());
  });
  child.stdin.on('error', () => {}); // it can only be gone: nothing is left to tell it
  return {
    watch: (pid) => void child.stdin.write(`+${pid}\n`),
    forget: (pid) => void child.stdin.write(`-${pid}\n`),
    close() {
      child.stdin.end();
      return gone;
    },
  };
}
