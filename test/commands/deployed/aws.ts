/**
 * A fake AWS endpoint that returns recorded answers in the wire format of each service, and lists the calls that it gets.
 * @module
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';

/** The answer of a service: a body, and a status if it is not 200. */
export interface Recorded {
  readonly status?: number;
  readonly body: string;
}

/** Answers by service and operation, such as `lambda:GetAccountSettings`. A text is an answer with status 200. */
export type Answers = Readonly<Record<string, string | Recorded | ((body: string) => string | Recorded)>>;

/** A running endpoint. */
export interface RecordedAws {
  /** Environment variables that direct SDKs and the AWS CLI to the endpoint. */
  readonly env: NodeJS.ProcessEnv;
  /** The operations that were called, such as `lambda:GetAccountSettings`. */
  readonly asked: ReadonlySet<string>;
  readonly close: () => void;
}

/** REST services name the operation by method and path only. */
const BY_PATH: readonly (readonly [RegExp, string])[] = [
  [/^GET \/2016-08-19\/account-settings/, 'lambda:GetAccountSettings'],
  [/^GET \/account\b/, 'apigateway:GetAccount'],
  [/^GET \/2020-05-31\/distribution\b/, 'cloudfront:ListDistributions'],
  [/^GET \/2020-05-31\/origin-access-control\b/, 'cloudfront:ListOriginAccessControls'],
  [/^GET \/2020-05-31\/cache-policy\b/, 'cloudfront:ListCachePolicies'],
  [/^GET \/2020-05-31\/origin-request-policy\b/, 'cloudfront:ListOriginRequestPolicies'],
  [/^GET \/2020-05-31\/response-headers-policy\b/, 'cloudfront:ListResponseHeadersPolicies'],
  [/^GET \/2020-05-31\/function\b/, 'cloudfront:ListFunctions'],
];

/** Starts the endpoint on the loopback. An operation without a recorded answer gets 501, and is in `asked` as well. */
export async function startRecordedAws(region: string, answers: Answers): Promise<RecordedAws> {
  const asked = new Set<string>();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const operation = operationOf(request, body);
    asked.add(operation);
    const recorded = answers[operation] ?? { status: 501, body: '{"__type":"NotRecorded"}' };
    const answer = typeof recorded === 'function' ? recorded(body) : recorded;
    const { status = 200, body: text } = typeof answer === 'string' ? { body: answer } : answer;
    const type = text.startsWith('<') ? 'text/xml' : 'application/x-amz-json-1.1';
    response.writeHead(status, { 'content-type': type }).end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  return {
    env: { ...emptyEnv(), ...credentials, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`, AWS_REGION: region },
    asked,
    close: () => void server.close(),
  };
}

/** Returns an environment without AWS settings. It has no home directory, so there are no files with settings either. */
export function emptyEnv(): NodeJS.ProcessEnv {
  const { PATH } = process.env;
  return {
    PATH,
    HOME: '/nonexistent',
    // No command of the tests may leave this machine.
    AWS_EC2_METADATA_DISABLED: 'true',
    CDK_DISABLE_CLI_TELEMETRY: 'true',
  };
}

function operationOf({ method, url, headers }: IncomingMessage, body: string): string {
  const [, service = 'unknown'] =
    /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(headers.authorization ?? '') ?? [];
  const target = String(headers['x-amz-target'] ?? '').split('.')[1];
  const action = target ?? new URLSearchParams(body).get('Action');
  if (action) return `${service}:${action}`;
  const path = `${method} ${url}`;
  return BY_PATH.find(([pattern]) => pattern.test(path))?.[1] ?? `${service}:${path}`;
}
