/**
 * The edge's cache: what one anonymous caller is answered must not reach another that asked for something else.
 * @module
 */
import { type Check, demand, unseen } from './check.ts';

/** Pairs of requests. CloudFront answers both with one request to the hub if they are close enough. */
const PAIRS = 20;

export const sharedPolls: Check = {
  number: 5,
  title: 'two anonymous pollers at once, one of them with If-None-Match',
  expected: 'the one without it never gets the 304 of the other',
  async run({ hub, askAnonymously, newChannel, publish }) {
    const channel = await newChannel({ isOpen: true });
    await publish(channel, ['seen']);
    const path = `/channels/${channel}?offset=-1`;
    const { status, headers } = await askAnonymously(path);
    if (status === 401)
      return unseen(
        `401: no caller without a token may read ${hub.open}; name a public channel with --public`,
      );
    const tag = headers.get('etag');
    demand(status === 200 && tag !== null, `${status} with ETag: ${tag}`);
    let notModified = 0;
    for (let n = 0; n < PAIRS; n++) {
      // `_` means nothing to the hub, and makes another address to a cache.
      const url = `${path}&_=${n}`;
      const [checked, plain] = await Promise.all([
        askAnonymously(url, { headers: { 'If-None-Match': tag } }),
        askAnonymously(url),
      ]);
      const body = await plain.text();
      const came = `${plain.status} ${body} for the one without If-None-Match, ${checked.status} for the other`;
      demand(plain.status === 200 && body === '["seen"]', came);
      demand(checked.status === 304 || checked.status === 200, came);
      if (checked.status === 304) notModified++;
    }
    return `200 with the message for it in ${PAIRS} pairs; 304 for the other in ${notModified}`;
  },
};
