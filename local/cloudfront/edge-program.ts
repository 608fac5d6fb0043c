/**
 * Runs the code of a CloudFront Function in a context of its own. Only text goes in and out, so the code cannot reach objects of
 * this process.
 * @module
 */
import { createContext, Script } from 'node:vm';

/** Runs the handler once. Returns JSON, or undefined if the promise of the handler does not settle. */
export type Evaluate = (input: string) => string | undefined;

const IMPORT = /^\s*import\s+([A-Za-z_$][\w$]*)\s+from\s+(['"])cloudfront\2;?/m;

/**
 * Compiles the code without running it.
 * @param at name of the function in errors
 * @throws Error if the code does not compile
 */
export function compileProgram(code: string, at: string): Script {
  try {
    return new Script(programOf(code));
  } catch (error) {
    throw new Error(`${at} has code that does not compile: ${String(error)}`);
  }
}

/** Returns a function that runs the program in a new context. `print` takes each line that the program logs. */
export function loadProgram(program: Script, print: (line: string) => void): Evaluate {
  let input = '';
  let output: string | undefined;
  const context = createContext(Object.create(null), {
    codeGeneration: { strings: false, wasm: false },
    // Promises settle within the run, because CloudFront has no timers and no sockets.
    microtaskMode: 'afterEvaluate',
  });
  const link: unknown = program.runInContext(context);
  if (typeof link !== 'function') throw new Error('the program cannot be linked');
  const give = (text: string) => {
    output = text;
  };
  link(() => input, give, print);
  const run = new Script('run()');
  return (text) => {
    input = text;
    output = undefined;
    run.runInContext(context);
    return output;
  };
}

/**
 * Returns the program around the code. CloudFront keeps no state between requests. So the top level of the code runs again for
 * each request, and the built-in objects are frozen.
 */
function programOf(code: string): string {
  return `(take, give, print) => {
    'use strict';
    const load = (cloudfront, console, globalThis) => {
      ${code.replace(IMPORT, 'const $1 = cloudfront;')}
      ;return handler;
    };
    for (const name of Object.getOwnPropertyNames(globalThis)) {
      const value = globalThis[name];
      if (typeof value !== 'function') continue;
      Object.freeze(value);
      if (value.prototype) Object.freeze(value.prototype);
    }
    const console = Object.freeze({ log: (...items) => print(items.map(String).join(' ')) });
    globalThis.run = () => {
      const { event, rawQuery } = JSON.parse(take());
      let originId;
      const cloudfront = Object.freeze({ selectRequestOriginById: (id) => { originId = String(id); } });
      event.request.rawQueryString = () => rawQuery;
      new Promise((resolve) => resolve(load(cloudfront, console)(event))).then(
        (value) => give(JSON.stringify({ value, originId })),
        (error) => give(JSON.stringify({ error: String(error) })),
      );
    };
  }`;
}
