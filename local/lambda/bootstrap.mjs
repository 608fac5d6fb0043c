/**
 * The program of each environment: loads the handler and serves invocations from the Runtime API, as the runtime of AWS does.
 * It has no dependencies.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 * @module
 */
import { existsSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

// Not `import`, which reads every export: those for WebSockets load a client, which takes a fifth of the start.
const { Agent, request: httpRequest } = process.getBuiltinModule('node:http');

const api = new URL(`http://${process.env.AWS_LAMBDA_RUNTIME_API}/`);
const agent = new Agent({ keepAlive: true, noDelay: true });
const concurrency = Number(process.argv[2]);

/** Time from the first invocation until the compile cache is written, in milliseconds. By then most code is compiled. */
const COMPILED_AFTER_MS = 500;
// The next environments of the function reuse the compiled code.
enableCompileCache(process.argv[3]);

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
/** Ends the prelude: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html */
const PRELUDE_END = Buffer.alloc(8);
const setPrelude = Symbol('setPrelude');

globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [STREAMING]: true }),
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType(PRELUDE_TYPE);
      stream[setPrelude](Buffer.concat([Buffer.from(JSON.stringify(prelude)), PRELUDE_END]));
      return stream;
    },
  },
};

// When the stack stops, it sends SIGTERM so that the function can finish, and later SIGKILL. Ctrl-C in a terminal goes to all
// processes of the group, but only the stack must react.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});

/** Ends the process if the stack has ended. */
function orphaned() {
  process.exit(1);
}

function open(method, path, headers = {}) {
  const target = `${api.pathname}2018-06-01/runtime/${path}`;
  const request = httpRequest({ host: api.hostname, port: api.port, path: target, method, headers, agent });
  request.on('error', orphaned);
  return request;
}

function answerTo(request) {
  return new Promise((resolve) => {
    request.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', orphaned);
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(chunks) }));
    });
  });
}

function post(path, body, headers) {
  const request = open('POST', path, { 'content-length': Buffer.byteLength(body), ...headers });
  request.end(body);
  return answerTo(request);
}

function describe(error) {
  if (!(error instanceof Error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') };
}

function report(title, error) {
  const { errorType, errorMessage, trace } = describe(error);
  console.error(`${title} ${JSON.stringify({ errorType, errorMessage, stack: trace })}`);
}

/** An error with one of the types that Lambda has for handlers that cannot be loaded. */
class RuntimeError extends Error {
  constructor(type, message) {
    super(message);
    this.name = `Runtime.${type}`;
  }
}

async function loadHandler() {
  const { _HANDLER: handler = '', LAMBDA_TASK_ROOT: root = '' } = process.env;
  const dot = handler.lastIndexOf('.');
  const base = join(root, handler.slice(0, dot));
  const file = ['.mjs', '.js', '.cjs'].map((extension) => base + extension).find((name) => existsSync(name));
  if (file === undefined)
    throw new RuntimeError('ImportModuleError', `Cannot find module '${handler.slice(0, dot)}'`);
  const module = await import(pathToFileURL(file).href);
  const name = handler.slice(dot + 1);
  const found = module[name] ?? module.default?.[name];
  if (typeof found !== 'function') {
    throw new RuntimeError('HandlerNotFound', `${handler} is undefined or not exported`);
  }
  if (found[STREAMING] !== true && found.length > 2) {
    // The runtime of Node 24 accepts only async handlers.
    throw new RuntimeError(
      'CallbackHandlerDeprecated',
      `${handler} takes a callback; return a promise instead`,
    );
  }
  return found;
}

function contextOf(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    callbackWaitsForEmptyEventLoop: true,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

/** Returns the stream of a streaming handler. The first write opens the response. */
function createResponseStream(id) {
  let contentType = 'application/octet-stream';
  let prelude;
  let request;
  let done;

  function begin() {
    if (request !== undefined) return;
    request = open('POST', `invocation/${id}/response`, {
      'content-type': contentType,
      'lambda-runtime-function-response-mode': 'streaming',
      'transfer-encoding': 'chunked',
      trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
    });
    done = answerTo(request);
  }

  const stream = new Writable({
    write(chunk, _encoding, next) {
      begin();
      // As on Lambda, the prelude is sent with the first write. Without a write it is never sent.
      const bytes = prelude === undefined ? chunk : Buffer.concat([prelude, chunk]);
      prelude = undefined;
      if (bytes.length === 0 || request.write(bytes)) next();
      else request.once('drain', next);
    },
    final(next) {
      begin();
      request.end(next);
    },
  });
  stream.setContentType = (type) => {
    contentType = type;
  };
  stream[setPrelude] = (bytes) => {
    prelude = bytes;
  };
  stream.on('error', () => {}); // fail() reports it

  return {
    stream,
    finished: () =>
      new Promise((resolve, reject) => {
        if (stream.errored) return reject(stream.errored);
        stream.on('error', reject);
        stream.on('finish', () => done.then(resolve));
        if (stream.writableFinished) done.then(resolve);
      }),
    /** Puts the error into the trailers, because after the first write the response has begun. Returns false before. */
    async fail(error) {
      if (request === undefined) return false;
      const { errorType } = describe(error);
      request.addTrailers({
        'Lambda-Runtime-Function-Error-Type': errorType,
        'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(describe(error))).toString('base64'),
      });
      request.end();
      await done;
      return true;
    },
  };
}

/** The second header asks for the next invocation, which saves a request. The Runtime API of AWS needs two. */
const POSTED = { 'content-type': 'application/json', 'local-asks-next': 'true' };

/** Runs the handler. Returns the next invocation if the answer to the result had it. */
async function run(handler, { headers, body }) {
  const context = contextOf(headers);
  const id = context.awsRequestId;
  const streaming = handler[STREAMING] === true ? createResponseStream(id) : undefined;
  try {
    const event = JSON.parse(body.toString('utf8'));
    if (streaming !== undefined) {
      await handler(event, streaming.stream, context);
      await streaming.finished();
      return;
    }
    const result = JSON.stringify(await handler(event, context)) ?? 'null';
    const next = await wait(post(`invocation/${id}/response`, result, POSTED));
    return next.headers['lambda-runtime-aws-request-id'] === undefined ? undefined : next;
  } catch (error) {
    report(`${id} Invoke Error`, error);
    if (await streaming?.fail(error)) return;
    const { errorType } = describe(error);
    const headers = { 'lambda-runtime-function-error-type': errorType };
    await post(`invocation/${id}/error`, JSON.stringify(describe(error)), headers);
  }
}

let waiting = 0;
let loops = 0;
let isCompiled = false;

async function wait(answer) {
  waiting += 1;
  const invocation = await answer;
  waiting -= 1;
  return invocation;
}

function askForNext() {
  const next = open('GET', 'invocation/next');
  next.end();
  return wait(answerTo(next));
}

/** Serves invocations. Up to the concurrency there is always one loop that waits, so a burst does not queue. */
async function serve(handler) {
  loops += 1;
  for (let invocation; ; ) {
    invocation ??= await askForNext();
    if (!isCompiled) setTimeout(flushCompileCache, COMPILED_AFTER_MS).unref();
    isCompiled = true;
    if (waiting === 0 && loops < concurrency) void serve(handler);
    invocation = await run(handler, invocation);
  }
}

// The exit status of the Lambda runtime for an uncaught error.
const UNCAUGHT = 129;
process.on('uncaughtException', (error) => {
  report('Uncaught Exception', error);
  process.exit(UNCAUGHT);
});

try {
  await serve(await loadHandler());
} catch (error) {
  report('Init Error', error);
  const { errorType } = describe(error);
  await post('init/error', JSON.stringify(describe(error)), {
    'lambda-runtime-function-error-type': errorType,
  });
  process.exit(1);
}
