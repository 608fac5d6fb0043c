/**
 * Ends the environments of a stack that was killed. The standard input is a pipe from the stack, with `+<pid>` and `-<pid>`
 * lines. When the stack ends, even by SIGKILL, the pipe closes. Then this process kills the remaining environments and removes
 * the directory that they share. An environment that is stuck in a loop could not notice the end of the stack by itself.
 * @module
 */
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const pids = new Set();

// Ctrl-C in a terminal goes to all processes of the group. This one must be the last.
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
      // The process has ended already.
    }
  }
  // Retries, because a process that is being killed may still write.
  rmSync(process.argv[2], { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
});
