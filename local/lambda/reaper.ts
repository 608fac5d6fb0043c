/**
 * Starts reaper.mjs, which ends the environments of this process even if this process is killed.
 * @module
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The process that ends environments without a stack. */
export interface Reaper {
  /** Adds a process that the reaper kills when this process ends. */
  watch(pid: number): void;
  /** Removes a process that has ended. */
  forget(pid: number): void;
  /** Ends the reaper. */
  close(): Promise<void>;
}

/**
 * Starts the reaper of a stack.
 * @param directory that the reaper removes at the end
 */
export function startReaper(directory: string): Reaper {
  const program = fileURLToPath(new URL('reaper.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {},
    detached: true, // so that a kill of the whole process group does not end the reaper
  });
  const gone = new Promise<void>((resolve) => {
    child.on('exit', () => resolve());
    child.on('error', () => resolve());
  });
  child.stdin.on('error', () => {}); // the reaper has ended, so no message can reach it
  return {
    watch: (pid) => void child.stdin.write(`+${pid}\n`),
    forget: (pid) => void child.stdin.write(`-${pid}\n`),
    close() {
      child.stdin.end();
      return gone;
    },
  };
}
