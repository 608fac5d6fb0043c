/**
 * The end of a process, as far as it is told: SIGTERM.
 * @module
 */

/**
 * Aborted when the process is told to end, so that what is held is answered and gives back its place. The local stack says
 * so when it stops; Lambda does where an extension is registered.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
 */
export function stopping(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGTERM', () => controller.abort());
  return controller.signal;
}
