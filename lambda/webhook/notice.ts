/**
 * Notices: what happens to endpoints, published on a channel of the hub's own (PROTOCOL.md §13.4).
 * @module
 */
import { WEBHOOK_NOTICES } from '../../protocol/webhooks.ts';
import { append } from '../hub/log/append.ts';
import { JSON_MEDIA_TYPE } from '../hub/log/channel.ts';
import type { Publishing } from '../hub/log/log-ports.ts';

/**
 * Publishes a notice. The first one creates the channel, also where channels must be created explicitly: a client cannot
 * create it.
 * @throws Refusal unavailable
 */
export async function publishNotice(
  log: Publishing,
  notice: Readonly<Record<string, unknown>>,
): Promise<void> {
  await append(
    { ...log, channelCreation: 'implicit' },
    {
      channel: WEBHOOK_NOTICES,
      contentType: JSON_MEDIA_TYPE,
      seq: undefined,
      close: false,
      producer: undefined,
      body: new TextEncoder().encode(JSON.stringify(notice)),
    },
  );
}
