/**
 * Starts the webhook receiver, with an endpoint of the hub that sends to it.
 * @module
 */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { UsageError } from '../cli.ts';
import { callHub } from '../remote/endpoint-calls.ts';
import { startBackend } from './backend.ts';
import type { ExampleHub } from './example-hub.ts';

const CHANNELS = 'orders/*';
const DEFAULT_PORT = '4000';
/** Bytes of a secret. */
const SECRET_BYTES = 32;

/** Returns the port of the receiver. @throws UsageError for one that no endpoint can have */
export function receiverPort(): string {
  const { PORT = DEFAULT_PORT } = process.env;
  if (/^[1-9]\d{0,4}$/.test(PORT) && Number(PORT) < 65_536) return PORT;
  throw new UsageError(`PORT is ${PORT}, it must be a whole number from 1 to 65535`);
}

/** Starts the receiver. @returns the process, and the function that removes the endpoint */
export async function startReceiver({
  callable,
}: ExampleHub): Promise<{ readonly backend: ChildProcess; readonly close: () => Promise<void> }> {
  const PORT = receiverPort();
  const hub = callable({ [CHANNELS]: ['subscribe', 'webhook'] });
  const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
  const endpoint = { url: `http://127.0.0.1:${PORT}/`, channels: [CHANNELS], secret };
  const { id } = await callHub(hub, '/webhooks', {
    method: 'POST',
    body: JSON.stringify(endpoint),
    doing: 'adding an endpoint',
    isRepeatable: false,
  });
  return {
    backend: startBackend('webhook-receiver/receiver.ts', { WEBHOOK_SECRET: secret, PORT }, 'inherit'),
    async close() {
      await callHub(hub, `/webhooks/${String(id)}`, { method: 'DELETE', doing: 'removing the endpoint' });
    },
  };
}
