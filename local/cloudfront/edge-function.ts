/**
 * CloudFront Functions: runs the code of the template in a thread, with a time limit.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html
 * @module
 */
import { Worker } from 'node:worker_threads';
import { isObject, type JsonObject, objectOr, parseJson, stringOr } from '../template/json.ts';
import { compileProgram } from './edge-program.ts';

/** The result of one run: the value that the handler returned, and the origin that it selected, if any. */
export type EdgeRun =
  | { readonly kind: 'done'; readonly value: unknown; readonly originId: string | undefined }
  | Failed;

interface Failed {
  readonly kind: 'failed';
  readonly message: string;
}

/** A function of the template at the edge. */
export interface EdgeFunction {
  /** Runs the handler. Never rejects. */
  run(event: JsonObject, rawQuery: string | undefined): Promise<EdgeRun>;
  /** Ends the thread. */
  close(): Promise<void>;
}

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html */
const MAX_CODE_BYTES = 10 * 1024;

/** CloudFront allows far less CPU time. This limit ends a loop, and is long enough for a busy machine. */
const TIMEOUT_MS = 3_000;

/** A run that the thread has not answered. */
interface PendingRun {
  readonly input: string;
  settle(run: EdgeRun): void;
}

interface State {
  readonly workerData: { readonly code: string; readonly at: string };
  readonly print: (line: string) => void;
  /** Unanswered runs. The thread answers in this order, so the first one is running. */
  readonly pending: PendingRun[];
  worker: Worker;
  ready: boolean;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Returns a function of the template. It has one thread for all requests. The time limit of node:vm would start a thread for
 * each request, which takes longer than everything else at the edge.
 * @param print takes each line that the function logs
 * @throws Error if the code is too large or does not compile
 */
export function createEdgeFunction(code: string, at: string, print: (line: string) => void): EdgeFunction {
  const size = Buffer.byteLength(code);
  if (size > MAX_CODE_BYTES)
    throw new Error(`${at} has ${size} bytes of code; ${MAX_CODE_BYTES} are allowed`);
  compileProgram(code, at);
  // The thread starts with the first request, so that a stack that is refused later leaves no thread.
  let state: State | undefined;
  return {
    run(event, rawQuery) {
      const current = state ?? startThread({ code, at }, print);
      state = current;
      return new Promise((settle) => {
        const input = JSON.stringify({ event, rawQuery });
        current.pending.push({ input, settle });
        current.worker.postMessage(input);
        if (current.pending.length === 1) watch(current);
      });
    },
    async close() {
      if (state === undefined) return;
      clearTimeout(state.timer);
      state.worker.removeAllListeners();
      await state.worker.terminate();
    },
  };
}

function startThread(workerData: State['workerData'], print: (line: string) => void): State {
  const worker = newWorker(workerData);
  const state: State = { workerData, print, pending: [], worker, ready: false, timer: undefined };
  listenTo(worker, state);
  return state;
}

function newWorker(workerData: State['workerData']): Worker {
  const worker = new Worker(new URL('edge-worker.ts', import.meta.url), { workerData, env: {} });
  worker.unref();
  return worker;
}

function listenTo(worker: Worker, state: State): void {
  worker.on('message', (message: unknown) => {
    const { ready, line, output } = objectOr(message);
    if (typeof line === 'string') return state.print(line);
    if (ready === true) state.ready = true;
    else state.pending.shift()?.settle(readRun(output));
    watch(state);
  });
  worker.on('error', (error) => replace(state, error.message));
}

/** Starts the time limit of the first run, if the thread is ready. */
function watch(state: State): void {
  clearTimeout(state.timer);
  if (state.pending.length === 0 || !state.ready) return;
  state.timer = setTimeout(() => replace(state, `it timed out after ${TIMEOUT_MS} ms`), TIMEOUT_MS);
}

/** Fails the first run, and gives the others to a new thread. */
function replace(state: State, message: string): void {
  clearTimeout(state.timer);
  state.worker.removeAllListeners();
  void state.worker.terminate();
  state.pending.shift()?.settle({ kind: 'failed', message });
  state.ready = false;
  state.worker = newWorker(state.workerData);
  listenTo(state.worker, state);
  for (const { input } of state.pending) state.worker.postMessage(input);
}

function readRun(output: unknown): EdgeRun {
  const result = parseJson(stringOr(output, ''));
  if (!isObject(result)) return { kind: 'failed', message: 'the handler never returned' };
  if (typeof result.error === 'string') return { kind: 'failed', message: result.error };
  return { kind: 'done', value: result.value, originId: stringOr(result.originId, undefined) };
}
