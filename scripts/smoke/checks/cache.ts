/**
 * The cache of the edge: an answer for one anonymous caller must not reach another with a different request.
 * @module
 */
import { type Check, expectThat, type Unseen, unseen } from '../check.ts';

const skipUnlessPublic = (status: number, open: string): Unseen | undefined =>
  status === 401
    ? unseen(`401: no caller without a token may read ${open}; name a public channel with --public`)
    : undefined;

/** Pairs of requests. CloudFront sends one request to the hub for both, if they arrive at almost the same time. */
const PAIRS = 20;

/** A 304 must not reach a caller that did not ask with an ETag. */
export const sharedPolls: Check = {
  number: 5,
  title: 'two anonymous pollers at once, one of them with If-None-Match',
  expected: 'the one without it never gets the 304 of the other',
  async run({ hub, askAnonymously, newChannel, publish }) {
    const channel = await newChannel({ isOpen: true });
    await publish(channel, ['seen']);
    const path = `/channels/${channel}?offset=-1`;
    const { status, headers } = await askAnonymously(path);
    const skipped = skipUnlessPublic(status, hub.open);
    if (skipped) return skipped;
    const tag = headers.get('etag');
    expectThat(status === 200 && tag !== null, `${status} with ETag: ${tag}`);
    let notModified = 0;
    for (let n = 0; n < PAIRS; n++) {
      // The hub ignores `_`. For a cache it is another URL.
      const url = `${path}&_=${n}`;
      const [checked, plain] = await Promise.all([
        askAnonymously(url, { headers: { 'If-None-Match': tag } }),
        askAnonymously(url),
      ]);
      const body = await plain.text();
      const came = `${plain.status} ${body} for the one without If-None-Match, ${checked.status} for the other`;
      expectThat(plain.status === 200 && body === '["seen"]', came);
      expectThat(checked.status === 304 || checked.status === 200, came);
      if (checked.status === 304) notModified++;
    }
    return `200 with the message for it in ${PAIRS} pairs; 304 for the other in ${notModified}`;
  },
};

const PUBLISHES = 20;

/** The edge must not answer an old page after a publish. */
export const freshReads: Check = {
  number: 17,
  title: 'an anonymous read after a publish',
  expected: 'each message that was published before it, whatever the edge has cached',
  async run({ hub, askAnonymously, newChannel, publish }) {
    const channel = await newChannel({ isOpen: true });
    const read = () => askAnonymously(`/channels/${channel}?offset=-1`);
    const skipped = skipUnlessPublic((await read()).status, hub.open);
    if (skipped) return skipped;
    for (let n = 1; n <= PUBLISHES; n++) {
      await publish(channel, [n]);
      const answer = await read();
      const body = await answer.text();
      const all = JSON.stringify(Array.from({ length: n }, (_, at) => at + 1));
      expectThat(body === all, `${answer.status} ${body} after publish ${n}`);
    }
    return `all of them, after each of ${PUBLISHES} publishes`;
  },
};
