/**
 * Which grants of the roles were used, over the whole test run: each stack saves its part, scripts/test.ts adds them up.
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

export const GRANTS_DIR = resolve('.tidings/grants');

export async function saveGrants(name: string, control: string): Promise<void> {
  const grants: unknown = await (await fetch(`${control}/grants`)).json();
  mkdirSync(GRANTS_DIR, { recursive: true });
  writeFileSync(resolve(GRANTS_DIR, `${name}.json`), JSON.stringify(grants));
}
