/**
 * `.tidings/local.json`: where the running local hub is, for scripts.
 * @module
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { OPERATIONS } from '../protocol/capability.ts';

export const STATE_DIR = resolve('.tidings');
const FILE = resolve(STATE_DIR, 'local.json');

/** What the token of a local hub may do. It is good for longer than a working day, and not much longer. */
export const LOCAL_TOKEN = { capability: { '*': OPERATIONS }, ttlSeconds: 24 * 3_600 };

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

/** Writes the file, unless another hub that still runs has it; says whether it did. */
export function writeLocalHub(hub: LocalHub): boolean {
  if (readLocalHub()) return false;
  mkdirSync(STATE_DIR, { recursive: true });
  write(hub);
  return true;
}

/** Gives scripts another token for the hub that is running. */
export function renewLocalToken(token: string): void {
  const hub = readLocalHub();
  if (hub) write({ ...hub, token });
}

function write(hub: LocalHub): void {
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
  const hub = parseLocalHub(readFileSync(FILE, 'utf8'));
  return hub && isRunning(hub.pid) ? hub : undefined;
}

/** What a hub wrote; undefined for a file that was cut short or is from another version. */
function parseLocalHub(text: string): LocalHub | undefined {
  try {
    const hub: unknown = JSON.parse(text);
    return isLocalHub(hub) ? hub : undefined;
  } catch {
    return undefined;
  }
}

function isLocalHub(hub: unknown): hub is LocalHub {
  if (typeof hub !== 'object' || hub === null) return false;
  const names = ['url', 'token', 'pid', 'control', 'aws', 'outputs'];
  return names.every((name) => name in hub) && 'pid' in hub && typeof hub.pid === 'number';
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
