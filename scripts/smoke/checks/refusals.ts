/**
 * Refusals of the hub, and refusals of the gateway that the hub never sees (PROTOCOL.md §7, §8, §9).
 * @module
 */
import { type Check, expectThat, unseen } from '../check.ts';
import { codeIn } from '../wire.ts';

const CHALLENGES = ['WWW-Authenticate', 'x-amzn-Remapped-www-authenticate'];

/** 401 must have a challenge on both origins. */
export const unauthorized: Check = {
  number: 4,
  title: '401 of both origins',
  expected: '401 unauthorized with a challenge, in its own header or in the one that AWS renames it to',
  async run({ hub, askAnonymously }) {
    const came: string[] = [];
    for (const [origin, url] of [
      ['the HTTP API', `${hub.url}/channels/${hub.root}/none?offset=-1`],
      ['the function URL', `${hub.streams}/channels/${hub.root}/none?live=sse&offset=-1`],
    ] as const) {
      const answer = await askAnonymously(url);
      if (answer.status === 200) {
        await answer.body?.cancel();
        return unseen('200: callers without a token may read everything here');
      }
      const name = CHALLENGES.find((challenge) => answer.headers.has(challenge));
      const body = await answer.text();
      const isRefusal = answer.status === 401 && codeIn(body) === 'unauthorized';
      expectThat(isRefusal, `${answer.status} ${body} from ${origin}`);
      expectThat(name !== undefined, `401 without a challenge from ${origin}`);
      came.push(`${name} from ${origin}`);
    }
    return `401 unauthorized with ${came.join(', ')}`;
  },
};

/** More than API Gateway accepts in the request line and headers, in bytes. */
const TOO_LONG = 10_241;

/** Pages must be able to read refusals of the gateway. */
export const gatewayRefusal: Check = {
  number: 13,
  title: 'a refusal of the gateway, for pages',
  expected: '431 that a page can read, because the front door adds CORS headers',
  async run({ hub, ask, origin }) {
    if (!hub.hasEdge) return unseen('there is no front door that could add them');
    const headers = { Origin: origin, 'X-Long': 'x'.repeat(TOO_LONG) };
    const answer = await ask(`/channels/${hub.root}/none?offset=-1`, { headers });
    await answer.text();
    expectThat(answer.status === 431, `${answer.status}`);
    const allowed = answer.headers.get('access-control-allow-origin');
    if (allowed === null && (await listsOrigins(ask, hub.root, origin)))
      return unseen(`431, and this hub does not admit pages of ${origin}: name one with --origin`);
    expectThat(allowed === '*' || allowed === origin, `431 with Access-Control-Allow-Origin: ${allowed}`);
    return `431 with Access-Control-Allow-Origin: ${allowed}`;
  },
};

/** True if pages of that origin cannot read the answers of the hub. */
export async function listsOrigins(
  ask: (path: string, init?: RequestInit) => Promise<Response>,
  root: string,
  origin: string,
): Promise<boolean> {
  const answer = await ask(`/channels/${root}/none?offset=-1`, { headers: { Origin: origin } });
  await answer.text();
  return !answer.headers.has('access-control-allow-origin');
}
