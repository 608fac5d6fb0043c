/**
 * Appends in a process of its own: `node append-process.ts <URL of the bundle> <warm-up> <appends>` calls the publish handler, and
 * prints the processor time of an append in milliseconds.
 * @module
 */
import { createHmac } from 'node:crypto';
import { fieldsOf } from '../../protocol/fields.ts';
import { KEY } from './aws-server.ts';

const BODY = JSON.stringify({ text: 'hello', at: 1_700_000_000_000 });
const HOST = 'abc.execute-api.eu-west-1.amazonaws.com';
const LIFE_SECONDS = 3_600;

type Handler = (event: object, context: object) => Promise<unknown>;

/** Returns a token as lambda/access verifies it. */
function tokenFor(audience: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1_000);
  const claims = { aud: audience, iat: now, exp: now + LIFE_SECONDS, capability: { 'bench/*': ['publish'] } };
  const signed = `${part({ alg: 'HS256' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', KEY).update(signed).digest('base64url')}`;
}

/** Returns an event as API Gateway sends it. */
const eventWith = (token: string): object => ({
  version: '2.0',
  rawPath: '/channels/bench/lean',
  rawQueryString: '',
  headers: {
    authorization: `Bearer ${token}`,
    'content-length': String(BODY.length),
    'content-type': 'application/json',
    host: HOST,
    'user-agent': 'node',
    'x-forwarded-for': '192.0.2.1',
    'x-forwarded-proto': 'https',
  },
  requestContext: { domainName: HOST, http: { method: 'POST' }, timeEpoch: Date.now() },
  body: BODY,
  isBase64Encoded: false,
});

async function publish(handler: Handler, token: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const { statusCode } = fieldsOf(await handler(eventWith(token), { awsRequestId: String(n) }));
    if (statusCode !== 204) throw new Error(`publish answered ${statusCode}`);
  }
}

if (import.meta.main) {
  const [url = '', warmUp, appends] = process.argv.slice(2);
  const { handler }: { readonly handler: Handler } = await import(url);
  const token = tokenFor(process.env.TOKEN_AUDIENCE ?? '');
  await publish(handler, token, Number(warmUp));
  const before = process.cpuUsage();
  await publish(handler, token, Number(appends));
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`\n${(user + system) / 1_000 / Number(appends)}`);
  process.exit();
}
