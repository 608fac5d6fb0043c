/**
 * The presence channel as the copy of the members (PROTOCOL.md §14): a keyed channel of the hub's own.
 * @module
 */
import { Refusal } from '../../../protocol/errors.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { PRESENCE_KEY, presenceChannel } from '../../../protocol/presence.ts';
import { publishKeyed } from '../keyed/publish-keyed.ts';
import { readAll } from '../keyed/read-keyed.ts';
import { find } from '../log/lifecycle.ts';
import type { Publishing } from '../log/log-ports.ts';
import type { From } from '../log/read-log.ts';
import type { PresenceCopy } from './presence-ports.ts';

/** Returns the presence channels of a log. */
export const presenceCopy = (log: Publishing): PresenceCopy => ({
  async shown(channel) {
    const shown = new Map<string, string>();
    for (let from: From = 'latest'; ; ) {
      const presence = await find(log, presenceChannel(channel));
      const page = await readAll(log, presence, from);
      for (const message of page.messages) {
        const { key, value, headers } = fieldsOf(JSON.parse(String(message)));
        // After the newest messages the log follows, which has removals.
        if (fieldsOf(headers).operation === 'delete') shown.delete(String(key));
        else shown.set(String(key), JSON.stringify(value));
      }
      if (page.upToDate) return shown;
      // A publish beyond the gap may have been acknowledged: without it the comparison would repeat what the readers know.
      if (page.isGap) throw new Refusal('unavailable', 'the presence channel has a young gap');
      from = page.next;
    }
  },
  async publish(channel, messages) {
    await publishKeyed(log, { channel: presenceChannel(channel), streamKey: PRESENCE_KEY, messages });
  },
});
