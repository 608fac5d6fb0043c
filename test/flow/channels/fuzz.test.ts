/**
 * Thousands of requests of all kinds: never a 5xx that means a defect, always the form of §9, and the hub keeps working.
 * @module
 */
import { Agent, request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, inject, test } from 'vitest';
import { ERRORS } from '../../../protocol/errors.ts';
import { share } from '../../support/thorough.ts';
import { callerWith, EVERYTHING, isToRepeat, newChannel, token } from '../../support/wire/wire.ts';

const RUNS = share(2_000);
const AT_ONCE = 8;

/**
 * On a machine with other work the store is sometimes late. A request that is told so is repeated after a pause, as a client does it
 * (PROTOCOL.md §9), so many times: one that is refused each time has found a defect, and so has one that is not told when to come again.
 */
const ATTEMPTS = 5;
const PAUSE_MS = 1_000;

/** The bodies with which API Gateway and Lambda refuse for their rates. */
const PLATFORM_429 = /"Too Many Requests"|"Rate Exceeded\."/;

const text = fc.string({ maxLength: 30 });
const segment = fc.oneof(
  fc.stringMatching(/^[a-z]{1,3}$/),
  text.map(encodeURIComponent),
  fc.constantFrom('..', '%00', '%', '*', ''),
);
/** Valid names are frequent, and few, so that requests use the same channels. */
const goodName = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 2 });
const name = fc.oneof({ weight: 3, arbitrary: goodName }, fc.array(segment, { maxLength: 9 }));
const path = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.constantFrom('/channels/', '/v1/stream/'), name)
      .map(([prefix, segments]) => prefix + segments.join('/')),
  },
  { weight: 1, arbitrary: fc.webPath().map((rest) => (rest.startsWith('/') ? rest : `/${rest}`)) },
);
const offset = fc.oneof(
  fc.constantFrom('-1', 'now', '', '0000000000000000', '0000000000010000', '9'.repeat(16)),
  text,
);
const query = fc.option(
  fc.oneof(
    offset.map((value) => `offset=${encodeURIComponent(value)}`),
    fc.webQueryParameters(),
    fc.constantFrom('live=sse', 'live=long-poll&offset=-1', 'offset', '&&==', 'offset=%ff%fe'),
  ),
);
const contentType = fc.oneof(
  { weight: 3, arbitrary: fc.constant('application/json') },
  fc.constantFrom(
    'text/plain',
    'application/octet-stream',
    'APPLICATION/JSON;x',
    'a/b;'.padEnd(300, 'x'),
    'nonsense',
    '',
  ),
);
const headers = fc.record(
  {
    'content-type': contentType,
    'stream-ttl': fc.oneof(fc.nat().map(String), fc.constantFrom('-1', '1e3', '')),
    'stream-expires-at': fc.oneof(fc.constantFrom('2030-01-01T00:00:00Z', '2030-01-01', 'tomorrow')),
    'stream-seq': fc.stringMatching(/^[\x20-\x7e]{0,300}$/),
    'if-none-match': fc.stringMatching(/^[\x20-\x7e]{0,40}$/),
    'stream-closed': fc.constantFrom('true', 'false'),
    'producer-id': fc.constant('p'),
    range: fc.constant('bytes=0-1'),
    cookie: fc.stringMatching(/^[\x20-\x7e]{0,40}$/),
  },
  { requiredKeys: [] },
);
const body = fc.option(
  fc.oneof(
    fc.json(),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom('[', '[]', '"', '[[]]', 'null', '1e999', '"\\ud800"', '['.repeat(5_000)),
  ),
);
const request = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'),
  path,
  query,
  headers,
  body,
  bearer: fc.constantFrom('all', 'all', 'all', 'none', 'junk'),
});
const agent = new Agent({ keepAlive: true });
const CODES: readonly string[] = Object.keys(ERRORS);

test(`${RUNS} random requests`, async () => {
  const all = await token(EVERYTHING);
  const { url } = inject('hub');
  const defects: unknown[] = [];
  const seen = new Map<string, number>();

  const send = async (
    one: typeof request extends fc.Arbitrary<infer T> ? T : never,
    attempt = 1,
  ): Promise<void> => {
    const authorization = { all: `Bearer ${all}`, junk: 'Bearer junk', none: undefined }[one.bearer];
    const sent = Object.entries({ ...one.headers, authorization, prefer: 'wait=0' }).filter(
      ([, value]) => value !== undefined,
    );
    const hasBody = one.body !== null && one.method !== 'GET' && one.method !== 'HEAD';
    const path = `${one.path}${one.query === null ? '' : `?${one.query}`}`;
    const response = await rawRequest(
      url,
      one.method,
      path,
      Object.fromEntries(sent),
      hasBody ? one.body : null,
    );
    const { answer } = response;
    const what = response.status === 503 ? `503 ${answer}` : String(response.status);
    seen.set(what, (seen.get(what) ?? 0) + 1);
    // Unknown paths have a low rate, which the gateway enforces with its own body, and Lambda has one for streams (PROTOCOL.md §8).
    if (response.status < 400 || (response.status === 429 && PLATFORM_429.test(answer))) return;
    const code = one.method === 'HEAD' ? 'internal' : codeIn(answer);
    if (isToRepeat({ ...response, text: answer }) && attempt < ATTEMPTS) {
      await wait(attempt * PAUSE_MS);
      return await send(one, attempt + 1);
    }
    const isDefect = response.status >= 500 && response.status !== 501;
    if (isDefect || (one.method !== 'HEAD' && !CODES.includes(code)))
      defects.push({ one, status: response.status, answer });
  };

  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
  const requests = fc.sample(request, { numRuns: RUNS, seed });
  for (let at = 0; at < requests.length; at += AT_ONCE)
    await Promise.all(requests.slice(at, at + AT_ONCE).map((one) => send(one)));
  console.log(`fuzz FUZZ_SEED=${seed}: ${JSON.stringify(Object.fromEntries([...seen].sort()))}`);
  expect(defects, `seed ${seed}`).toEqual([]);

  const hub = callerWith(EVERYTHING);
  const channel = newChannel();
  await hub.publish(channel, 'still here');
  expect((await hub.readAll(channel)).messages).toEqual(['still here']);
});

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly answer: string;
}

/** Sends a path unchanged; fetch would normalize it first. */
async function rawRequest(
  url: string,
  method: string,
  path: string,
  headers: OutgoingHttpHeaders,
  body: string | Buffer | null,
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve, reject) => {
    // Node frames a body by itself only for methods that usually have one.
    const framed = body === null ? headers : { ...headers, 'content-length': Buffer.byteLength(body) };
    const request = httpRequest({ hostname, port, method, path, headers: framed, agent }, (response) => {
      const { statusCode: status = 0 } = response;
      const retryAfter = response.headers['retry-after'];
      if (response.headers['content-type'] === 'text/event-stream') {
        // A stream lasts a minute. The test only checks that it began.
        request.destroy();
        return resolve({ status, retryAfter, answer: '' });
      }
      let answer = '';
      response.on('data', (chunk) => {
        answer += String(chunk);
      });
      response.on('end', () => resolve({ status, retryAfter, answer }));
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      // The server may close an idle connection at the moment at which a request takes it.
      if (error.code === 'ECONNRESET' && request.reusedSocket)
        rawRequest(url, method, path, headers, body).then(resolve, reject);
      else reject(new Error(`${method} ${path}: ${error.message}`));
    });
    request.end(body ?? undefined);
  });
}

function codeIn(answer: string): string {
  try {
    return String(JSON.parse(answer).error.code);
  } catch {
    return 'no JSON';
  }
}
