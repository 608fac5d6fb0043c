/**
 * The presence channel as the copy of the members (PROTOCOL.md §14): a channel of the hub's own.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { presenceChannel } from '../../../protocol/presence.ts';
import { append } from '../log/append.ts';
import { catchUp } from '../log/catch-up.ts';
import { JSON_MEDIA_TYPE } from '../log/channel.ts';
import type { Publishing } from '../log/log-ports.ts';
import type { From } from '../log/read-log.ts';
import type { PresenceCopy } from './presence-ports.ts';

/** Returns the presence channels of a log. The first publish creates the channel, also where channels must be created explicitly. */
export function presenceCopy(hubLog: Publishing): PresenceCopy {
  const log: Publishing = { ...hubLog, channelCreation: 'implicit' };
  return {
    async shown(channel) {
      const shown = new Map<string, string>();
      let from: From = 'beginning';
      for (;;) {
        const { result } = await catchUp(log, presenceChannel(channel), from);
        for (const message of result.messages) fold(shown, String(message));
        if (result.upToDate) return shown;
        // A publish beyond the gap may have been acknowledged: without it the comparison would repeat what the readers know.
        if (result.isGap) throw new Refusal('unavailable', 'the presence channel has a young gap');
        from = result.next;
      }
    },
    async publish(channel, messages) {
      await append(log, {
        channel: presenceChannel(channel),
        contentType: JSON_MEDIA_TYPE,
        seq: undefined,
        close: false,
        producer: undefined,
        body: new TextEncoder().encode(JSON.stringify(messages)),
      });
    },
  };
}

/** Takes one message into what the readers know. */
function fold(shown: Map<string, string>, message: string): void {
  const { key, value, headers } = fieldsOf(JSON.parse(message));
  if (fieldsOf(headers).operation === 'delete') shown.delete(String(key));
  else shown.set(String(key), JSON.stringify(value));
}
