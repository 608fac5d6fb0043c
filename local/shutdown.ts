/**
 * Ends the parts of a stack: the last one first, with a time limit for each.
 * @module
 */

/** The end of one part of the stack. */
export interface ShutdownStep {
  /** Name of the part in the line that says it did not end. */
  readonly name: string;
  /** Ends the part. */
  readonly end: () => Promise<void>;
}

/**
 * Time limit of one step in milliseconds. It is longer than the time that functions have to finish, and than the time
 * that dynalite waits for its operations.
 */
export const STEP_MS = 12_000;

/**
 * Returns a function that takes all steps, the last one first. The function may be called twice and never throws. A step
 * that fails or takes longer than {@link STEP_MS} is logged, and the next step follows: a listener that stays open would
 * keep the process alive.
 */
export function createShutdown(
  parts: readonly ShutdownStep[],
  log: (line: string) => void,
): () => Promise<void> {
  let closing: Promise<void> | undefined;
  async function closeAll(): Promise<void> {
    for (const { name, end } of parts.toReversed()) {
      await inTime(end).catch((error: unknown) => {
        log(`[stack] ${name} did not end: ${error instanceof Error ? error.message : String(error)}`);
      });
    }
  }
  return () => {
    closing ??= closeAll();
    return closing;
  };
}

async function inTime(end: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it takes longer than ${STEP_MS / 1_000} s`)), STEP_MS);
  });
  try {
    await Promise.race([end(), late]);
  } finally {
    clearTimeout(timer);
  }
}
