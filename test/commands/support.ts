/**
 * Runs commands as a person does: each in its own process and directory.
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

export interface Command {
  readonly process: ChildProcess;
  /**
   * Returns everything printed so far, to both streams, without the lines about waiting: a command prints them only if the machine
   * is slow.
   */
  readonly output: () => string;
  /** The exit code, when the command has ended. */
  readonly ended: Promise<number | null>;
}

/** A line of scripts/terminal/waiting.ts: what a command waits for, and for how long. */
const WAITING = /^.+ … (?:\d+ min )?\d+ s(?:, .*)?\n/gm;

/** Runs a script through scripts/run.mjs, as every npm script does. */
export const run = (cwd: string, script: string, ...args: readonly string[]): Command =>
  runIn({ cwd, env: process.env }, script, ...args);

/** Runs a script with its own environment. */
export function runIn(
  { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  script: string,
  ...args: readonly string[]
): Command {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/run.mjs'), script, ...args], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      printed += String(chunk);
    });
  }
  return {
    process: child,
    output: () => printed.replace(WAITING, ''),
    ended: once(child, 'close').then(([code]) => code),
  };
}

export function temporaryDirectory(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'tidings-commands-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** True while the process runs. A zombie counts as dead. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
