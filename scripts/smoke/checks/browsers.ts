/**
 * CORS preflights of browsers (PROTOCOL.md §10).
 * @module
 */
import { type Check, expectThat, unseen } from '../check.ts';
import { listsOrigins } from './refusals.ts';

const METHODS = ['POST', 'PUT', 'DELETE'];
/** The time for which a browser may cache the preflight, in seconds. */
const MAX_AGE = 7_200;
/** The last one stands for the headers that libraries add. */
const HEADERS = ['authorization', 'content-type', 'x-of-a-library'];

/** Both origins of the front door, the API and the function URL of streams, must answer preflights. */
export const preflights: Check = {
  number: 12,
  title: 'preflights of both origins',
  expected: 'that pages may send any method and any header, and cache that for two hours',
  async run({ hub, ask, askAnonymously, origin }) {
    if (await listsOrigins(ask, hub.root, origin))
      return unseen(`this hub does not admit pages of ${origin}: name one that it does with --origin`);
    const asked = {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': HEADERS.join(','),
    };
    const results: string[] = [];
    for (const url of [`${hub.url}/channels/${hub.root}/none`, `${hub.streams}/events`]) {
      const { status, headers } = await askAnonymously(url, { method: 'OPTIONS', headers: asked });
      const [allowed, methods, allowedHeaders, age] = [
        'allow-origin',
        'allow-methods',
        'allow-headers',
        'max-age',
      ].map((name) => headers.get(`access-control-${name}`) ?? '');
      const answer = `${status} with origin ${allowed}, methods ${methods}, headers ${allowedHeaders}, age ${age} at ${url}`;
      expectThat(status >= 200 && status < 300 && (allowed === '*' || allowed === origin), answer);
      const isChannel = url.endsWith('/none');
      expectThat(!isChannel || METHODS.every((method) => methods?.includes(method)), answer);
      expectThat(
        HEADERS.every((header) => allowedHeaders?.toLowerCase().includes(header)),
        answer,
      );
      expectThat(Number(age) === MAX_AGE, answer);
      results.push(`${status} for ${allowed}`);
    }
    return `${results.join(', ')}, with all three headers asked for and two hours`;
  },
};
