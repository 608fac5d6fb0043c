/**
 * CloudFront Functions: runs the code of the template as the edge would, with a time limit.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html
 * @module
 */
import { Worker } from 'node:worker_threads';
import { isObject, type JsonObject, objectOr, parseJson, stringOr } from '../template/json.ts';
import { compileProgram } from './edge-program.ts';

/** What came of one run: what the handler returned, and the origin that it selected on the way. */
export type EdgeRun =
  | { readonly kind: 'done'; readonly value: unknown; readonly originId: string | undefined }
  | Failed;

interface Failed {
  readonly kind: 'failed';
  readonly message: string;
}

export interface EdgeFunction {
  run(event: JsonObject, rawQuery: string | undefined): Promise<EdgeRun>;
  close(): Promise<void>;
}

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html */
const MAX_CODE_BYTES = 10 * 1024;

/** CloudFront measures computing and allows far less; this ends a loop and forgives a busy machine. */
const TIMEOUT_MS = 500;

interface Job {
  readonly input: string;
  settle(run: EdgeRun): void;
}

interface State {
  readonly workerData: { readonly code: string; readonly at: string };
  readonly print: (line: string) => void;
  /** With the thread, which answers in this order: the first is the one that runs. */
  readonly jobs: Job[];
  worker: Worker;
  ready: boolean;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Makes one function of the template; `print` takes what it logs. It runs in a thread: a time limit by
 * node:vm would start one for each request, and cost more than all the rest of the way through the edge.
 * @throws Error if the code is too large or is none
 */
export function createEdgeFunction(code: string, at: string, print: (line: string) => void): EdgeFunction {
  const size = Buffer.byteLength(code);
  if (size > MAX_CODE_BYTES)
    throw new Error(`${at} has ${size} bytes of code; ${MAX_CODE_BYTES} are allowed`);
  compileProgram(code, at);
  // The thread starts with the first request: a stack that is refused later on must not leave one behind.
  let state: State | undefined;
  return {
    run(event, rawQuery) {
      const current = state ?? startThread({ code, at }, print);
      state = current;
      return new Promise((settle) => {
        const input = JSON.stringify({ event, rawQuery });
        current.jobs.push({ input, settle });
        current.worker.postMessage(input);
        if (current.jobs.length === 1) watch(current);
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
  const state: State = { workerData, print, jobs: [], worker, ready: false, timer: undefined };
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
    else state.jobs.shift()?.settle(readRun(output));
    watch(state);
  });
  worker.on('error', (error) => replace(state, error.message));
}

/** The time of the first job begins now, if the thread has started at all. */
function watch(state: State): void {
  clearTimeout(state.timer);
  if (state.jobs.length === 0 || !state.ready) return;
  state.timer = setTimeout(() => replace(state, `it timed out after ${TIMEOUT_MS} ms`), TIMEOUT_MS);
}

/** Fails what runs; what has not begun goes to a new thread. */
function replace(state: State, message: string): void {
  clearTimeout(state.timer);
  state.worker.removeAllListeners();
  void state.worker.terminate();
  state.jobs.shift()?.settle({ kind: 'failed', message });
  state.ready = false;
  state.worker = newWorker(state.workerData);
  listenTo(state.worker, state);
  for (const { input } of state.jobs) state.worker.postMessage(input);
}

function readRun(output: unknown): EdgeRun {
  const result = parseJson(stringOr(output, ''));
  if (!isObject(result)) return { kind: 'failed', message: 'the handler never returned' };
  if (typeof result.error === 'string') return { kind: 'failed', message: result.error };
  return { kind: 'done', value: result.value, originId: stringOr(result.originId, undefined) };
}
