/**
 * Outlives the local stack by a moment. Its standard input is a pipe from the stack: `+<pid>` and `-<pid>` lines.
 * When the pipe closes, even because the stack was killed by SIGKILL, the processes that are left are killed, and the
 * directory that they shared is removed. A process that is stuck in a loop cannot notice by itself that it is an orphan.
 * @module
 */
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const pids = new Set();

// Ctrl-C in a terminal goes to every process of the group; this one must be the last.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const pid = Number(line.slice(1));
  if (line.startsWith('+')) pids.add(pid);
  else pids.delete(pid);
});
lines.on('close', () => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It is gone already: that is what was wanted.
    }
  }
  // One that is being killed may still write.
  rmSync(process.argv[2], { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
});
