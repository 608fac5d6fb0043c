/**
 * Encoded channel names. A signature covers the path and the query, and each service encodes them in its own way.
 * https://github.com/aws-samples/image-optimization/issues/44
 * @module
 */
import type { Check } from '../check.ts';
import { describe, eventWith } from '../wire.ts';

/** Encoded names must reach the hub on both origins. */
export const encodedNames: Check = {
  number: 6,
  title: 'encoded names in a query and in a path',
  expected: 'the message, for ?channel=a%2Fb and for a%2Fb in a path, of both origins',
  async run({ hub, ask, newChannel, publish }) {
    const channel = await newChannel();
    await publish(channel, ['seen']);
    const name = encodeURIComponent(channel);
    for (const path of [`/events?channel=${name}&offset=-1`, `/channels/${name}?live=sse&offset=-1`])
      await eventWith('seen', await ask(`${hub.streams}${path}`));
    for (const path of [`/channels/${name}?offset=-1`, `/channels/${name}?live=long-poll&offset=-1`]) {
      const came = await describe(await ask(path));
      if (!came.endsWith('["seen"]')) throw new Error(`${came} at ${path}`);
    }
    return 'the message for each';
  },
};
