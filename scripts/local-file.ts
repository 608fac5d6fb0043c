/**
 * `.tidings/local.json`: where the running local hub is, for scripts.
 * @module
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

export const STATE_DIR = resolve('.tidings');
const FILE = resolve(STATE_DIR, 'local.json');

export interface LocalHub {
  readonly url: string;
  /** May do everything, for a day. */
  readonly token: string;
  readonly pid: number;
  /** What was called, which grants were used, and faults to inject: local/control.ts. */
  readonly control: string;
  /** The local AWS endpoint and an identity that may do everything there. */
  readonly aws: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string };
  readonly outputs: Readonly<Record<string, string>>;
}

export function writeLocalHub(hub: LocalHub): void {
  mkdirSync(STATE_DIR, { recursive: true });
  // The file holds a token that may do everything.
  writeFileSync(FILE, `${JSON.stringify(hub, null, 2)}\n`, { mode: 0o600 });
}

/** Removes the file if it is this process's. */
export function removeLocalHub(): void {
  if (readLocalHub()?.pid === process.pid) rmSync(FILE, { force: true });
}

/** The local hub that is running, or undefined. */
export function readLocalHub(): LocalHub | undefined {
  if (!existsSync(FILE)) return undefined;
  const hub: LocalHub = JSON.parse(readFileSync(FILE, 'utf8'));
  return isRunning(hub.pid) ? hub : undefined;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
