/**
 * Getting tickets from the hub under test (PROTOCOL.md §12.5).
 * @module
 */
import { inject } from 'vitest';
import type { Capability } from '../../../protocol/capability.ts';
import { callerAt, token } from './wire.ts';

/** A ticket of a token that lasts so long. */
export async function newTicket(capability: Capability, ttlSeconds?: number): Promise<string> {
  const headers = { Authorization: `Bearer ${await token(capability, ttlSeconds)}` };
  const response = await callerAt(inject('hub').url, headers).request('/tickets', { method: 'POST' });
  const { ticket } = Object(await response.json());
  if (response.status !== 201) throw new Error(`no ticket: ${response.status}`);
  return String(ticket);
}
