/**
 * `.tidings/local.json`: the URL, the token and the process of the running local hub, for the other scripts.
 * @module
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { OPERATIONS } from '../../protocol/capability.ts';

/** The directory for files of the local hub. */
export const STATE_DIR = resolve('.tidings');
const FILE = resolve(STATE_DIR, 'local.json');

/** The token of a local hub: it allows everything for a day. */
export const LOCAL_TOKEN = { capability: { '*': OPERATIONS }, ttlSeconds: 24 * 3_600 };

/** A local hub that is running. */
export interface LocalHub {
  /** The URL of the front door, or of the HTTP API without one. */
  readonly url: string;
  /** A token that allows everything, for a day. */
  readonly token: string;
  /** The process of `npm start`. */
  readonly pid: number;
  /** The control endpoint: AWS calls, used grants, and faults to inject (local/control.ts). */
  readonly control: string;
  /** The local AWS endpoint, and credentials that may do everything there. */
  readonly aws: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string };
  /** The outputs of its stacks, by name. */
  readonly outputs: Readonly<Record<string, string>>;
}

/** Writes the file. Returns false if it belongs to another hub that is running. */
export function writeLocalHub(hub: LocalHub): boolean {
  if (readLocalHub()) return false;
  mkdirSync(STATE_DIR, { recursive: true });
  write(hub);
  return true;
}

/** Replaces the token of the running hub in the file. */
export function renewLocalToken(token: string): void {
  const hub = readLocalHub();
  if (hub) write({ ...hub, token });
}

function write(hub: LocalHub): void {
  // The file contains a token that allows everything.
  writeFileSync(FILE, `${JSON.stringify(hub, null, 2)}\n`, { mode: 0o600 });
}

/** Removes the file if it belongs to this process. */
export function removeLocalHub(): void {
  if (readLocalHub()?.pid === process.pid) rmSync(FILE, { force: true });
}

/** Returns the running local hub, or undefined. */
export function readLocalHub(): LocalHub | undefined {
  if (!existsSync(FILE)) return undefined;
  const hub = parseLocalHub(readFileSync(FILE, 'utf8'));
  return hub && isRunning(hub.pid) ? hub : undefined;
}

/** Returns the hub in the file. Undefined if the file is cut off, or written by another version. */
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
