/**
 * Lambda function URLs, with buffered and with streamed responses.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
 * @module
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { type Cors, readCors } from '../apigateway/cors.ts';
import { buildEvent, readAnswer, readHead, sendAnswer, sendMessage } from '../apigateway/http-event.ts';
import { readBody } from '../apigateway/request-body.ts';
import type { CallLog } from '../iam/call-log.ts';
import { byUrl, mayInvokeByUrl } from '../iam/permissions.ts';
import type { HttpListener } from '../listener.ts';
import { readCredential } from '../services/aws-requests.ts';
import type { Resolved } from '../template/assembly.ts';
import { ACCOUNT } from '../template/intrinsics.ts';
import { isObject, type JsonObject, parseJson, requireString, stringOr } from '../template/json.ts';
import { apiId } from '../template/names.ts';
import type { Plan } from '../template/plan.ts';
import { describeResource } from '../template/resources.ts';
import { bufferOutcome, MAX_PAYLOAD_BYTES } from './response.ts';
import type { Runtime } from './runtime.ts';

interface FunctionUrl {
  readonly id: string;
  readonly functionArn: string;
  readonly streams: boolean;
  readonly cors: Cors | undefined;
  readonly runtime: Runtime;
  readonly log: (line: string) => void;
  /** Returns the body of a 403, or undefined if the request is allowed. */
  refusal(request: IncomingMessage, body: Buffer | undefined): JsonObject | undefined;
}

/** The parts of the stack that a function URL uses. */
export interface FunctionUrlOptions {
  /** The resolved templates. */
  readonly plan: Plan;
  /** Invokes functions. */
  readonly runtime: Runtime;
  /** Decides about calls, and records them. */
  readonly callLog: CallLog;
  /** Access key that no policy is asked about. */
  readonly adminKeyId: string;
  /** Access key of each distribution → ARN of the distribution. */
  readonly distributions: ReadonlyMap<string, string>;
  /** Takes each line about an error or a refusal. */
  readonly log: (line: string) => void;
}

/** A longer prelude is an error. */
const MAX_PRELUDE_BYTES = 16 * 1024;
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
const PRELUDE_END = Buffer.alloc(8);

/**
 * Headers that function URLs rename to `x-amzn-remapped-…`, such as the challenge of a 401. AWS documents this for REST APIs.
 * Public reports show it for function URLs, too.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
 * @see https://zenn.dev/ashphy/scraps/5d70402729657f
 */
const REMAPPED = ['date', 'server', 'www-authenticate'];

/**
 * Serves one function URL on its listener.
 * @throws Error with one sentence for a URL that is not understood
 */
export function serveFunctionUrl(url: Resolved, listener: HttpListener, options: FunctionUrlOptions): void {
  const { plan, runtime, log } = options;
  const at = describeResource(url);
  const functionArn = requireString(url.properties.TargetFunctionArn, `TargetFunctionArn of ${at}`);
  if (!plan.functions.has(functionArn)) throw new Error(`${at} calls ${functionArn}, which no template has`);
  const target: FunctionUrl = {
    id: apiId(url),
    functionArn,
    streams: stringOr(url.properties.InvokeMode, 'BUFFERED') === 'RESPONSE_STREAM',
    cors: readCors(url.properties.Cors),
    runtime,
    log,
    refusal: createCheck(url, functionArn, options),
  };
  listener.serve((request, response) => {
    handle(target, request, response).catch((error: unknown) => {
      if (request.destroyed && !request.complete) return; // the client has disconnected while it was sending
      log(`[url] ${String(error)}`);
      if (response.headersSent) response.destroy();
      else fail(response);
    });
  });
}

const FORBIDDEN: JsonObject = { Message: 'Forbidden' };

/** The answer to a wrong signature. CloudFront gets it for a body without a hash: CloudFront signs only the hash of the client. */
export const NOT_SIGNED: JsonObject = {
  message: 'The request signature we calculated does not match the signature you provided.',
};

/** Returns the check of the auth type of the URL. */
function createCheck(
  url: Resolved,
  functionArn: string,
  { plan, runtime, callLog, adminKeyId, distributions }: FunctionUrlOptions,
): FunctionUrl['refusal'] {
  if (url.properties.AuthType === 'NONE') {
    // AuthType NONE alone allows nothing. The policy of the function must give everybody both permissions.
    const refusal = mayInvokeByUrl(plan, functionArn, 'NONE') ? undefined : FORBIDDEN;
    return () => refusal;
  }
  if (url.properties.AuthType !== 'AWS_IAM') {
    throw new Error(
      `${describeResource(url)} has the auth type ${String(url.properties.AuthType)}: it must be NONE or AWS_IAM`,
    );
  }
  return (request, body) => {
    const accessKeyId = readCredential(request.headers.authorization)?.accessKeyId;
    if (accessKeyId === undefined) return FORBIDDEN;
    if (accessKeyId === adminKeyId) return undefined;
    const distribution = distributions.get(accessKeyId);
    if (distribution !== undefined) {
      const by = { service: 'cloudfront.amazonaws.com', sourceArn: distribution };
      if (!mayInvokeByUrl(plan, functionArn, 'AWS_IAM', by)) return FORBIDDEN;
      return isBodySigned(request, body) ? undefined : NOT_SIGNED;
    }
    const caller = runtime.caller(accessKeyId);
    if (caller === undefined) return FORBIDDEN;
    const { allowed } = callLog.authorize(
      caller.plan,
      'lambda:InvokeFunctionUrl',
      functionArn,
      byUrl('AWS_IAM'),
    );
    return allowed ? undefined : FORBIDDEN;
  };
}

/**
 * Returns true if the header has the hash of the body. Lambda accepts no unsigned body, and CloudFront computes no hash, so the
 * client must send it.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-lambda.html
 */
function isBodySigned(request: IncomingMessage, body: Buffer | undefined): boolean {
  if (body === undefined || body.length === 0) return true;
  return request.headers['x-amz-content-sha256'] === createHash('sha256').update(body).digest('hex');
}

async function handle(
  target: FunctionUrl,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const preflight = target.cors?.preflight(request);
  const body = await readBody(request, MAX_PAYLOAD_BYTES);
  if (preflight !== undefined)
    return sendAnswer(response, { status: 200, headers: preflight, body: Buffer.alloc(0) });
  const refusal = target.refusal(request, body);
  if (refusal !== undefined) return sendMessage(response, 403, refusal);
  const event = body === undefined ? undefined : eventOf(target, request, body);
  if (event === undefined || event.length > MAX_PAYLOAD_BYTES) {
    const Message = `Request must be smaller than ${MAX_PAYLOAD_BYTES} bytes for the InvokeFunction operation`;
    return sendMessage(response, 413, { Message }, body === undefined ? { connection: 'close' } : {});
  }
  const started = await target.runtime.invoke(target.functionArn, event);
  const outcome = target.streams ? started : await bufferOutcome(started);
  if (outcome.kind === 'throttled') return sendMessage(response, 429, { Message: 'Rate Exceeded.' });
  if (outcome.kind === 'failure') {
    target.log(`[url] failed with ${outcome.type}: ${outcome.message}`);
    return fail(response);
  }
  if (outcome.kind === 'stream') return stream(target, request, response, outcome);
  // A streaming URL does not interpret the result of a function that does not stream.
  const raw = { status: 200, headers: { 'content-type': 'application/json' }, body: outcome.payload };
  const answer = target.streams ? raw : readAnswer(outcome.payload);
  if (answer === undefined) return fail(response);
  sendAnswer(response, { ...answer, headers: finish(target, request, answer.headers) });
}

function eventOf(target: FunctionUrl, request: IncomingMessage, body: Buffer): Buffer {
  const rawPath = (request.url ?? '/').split('?', 1)[0] ?? '/';
  const frame = {
    accountId: ACCOUNT,
    apiId: target.id,
    routeKey: '$default',
    requestId: randomUUID(),
    rawPath,
  };
  return buildEvent(request, body, frame);
}

/** Returns the headers as the function URL sends them. */
function finish(
  { cors }: FunctionUrl,
  request: IncomingMessage,
  headers: OutgoingHttpHeaders,
): OutgoingHttpHeaders {
  const named = Object.entries(headers).map(([name, value]) => [
    REMAPPED.includes(name) ? `x-amzn-remapped-${name}` : name,
    value,
  ]);
  const answered: OutgoingHttpHeaders = Object.fromEntries(named);
  return cors === undefined ? answered : cors.apply(request, answered);
}

function fail(response: ServerResponse): void {
  const body = Buffer.from('Internal Server Error');
  sendAnswer(response, { status: 502, headers: { 'content-type': 'text/plain' }, body });
}

/**
 * Sends each chunk when the function writes it. Lambda does not interrupt the function when the client disconnects. The rest
 * is then read and dropped, because otherwise the function would wait for a reader.
 */
async function stream(
  target: FunctionUrl,
  request: IncomingMessage,
  response: ServerResponse,
  outcome: { contentType: string; body: Readable },
): Promise<void> {
  let held = Buffer.alloc(0);
  let begun = false;

  function begin(head: { status: number; headers: OutgoingHttpHeaders }): void {
    begun = true;
    response.writeHead(head.status, finish(target, request, head.headers));
    response.flushHeaders();
  }

  if (outcome.contentType !== PRELUDE_TYPE)
    begin({ status: 200, headers: { 'content-type': outcome.contentType } });
  try {
    for await (const chunk of outcome.body) {
      if (!Buffer.isBuffer(chunk)) continue;
      if (begun) {
        await write(response, chunk);
        continue;
      }
      held = Buffer.concat([held, chunk]);
      const end = held.indexOf(PRELUDE_END);
      if (end < 0 && held.length <= MAX_PRELUDE_BYTES) continue;
      const prelude = end < 0 ? undefined : parseJson(held.subarray(0, end).toString('utf8'));
      const head = isObject(prelude) ? readHead({ statusCode: 200, ...prelude }) : undefined;
      if (head === undefined) return abandon(response, outcome.body);
      begin({ ...head, headers: { 'content-type': 'application/octet-stream', ...head.headers } });
      await write(response, held.subarray(end + PRELUDE_END.length));
    }
  } catch (error) {
    target.log(`[url] ${error instanceof Error ? error.message : String(error)}`);
    // Destroyed, not ended: the client must see that the stream is not complete.
    return begun ? void response.destroy() : fail(response);
  }
  if (begun) response.end();
  else fail(response);
}

function abandon(response: ServerResponse, body: Readable): void {
  body.resume();
  fail(response);
}

async function write(response: ServerResponse, chunk: Buffer): Promise<void> {
  if (chunk.length === 0 || response.destroyed || response.write(chunk)) return;
  const waiting = new AbortController();
  await Promise.race(
    ['drain', 'close'].map((event) => once(response, event, { signal: waiting.signal }).catch(() => {})),
  );
  waiting.abort();
}
