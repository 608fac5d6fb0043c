/**
 * The end of a process: SIGTERM.
 * @module
 */

/**
 * Returns a signal that is aborted when the process gets SIGTERM. Held requests are then answered and release their quota
 * slots. The local stack sends SIGTERM when it stops; Lambda sends it if an extension is registered.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
 */
export function stopping(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGTERM', () => controller.abort());
  return controller.signal;
}
