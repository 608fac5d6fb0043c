/**
 * How what was begun is ended: all of it, the last first, and none of it holds up the rest.
 * @module
 */

export interface ShutdownStep {
  /** What it is called where it does not end. */
  readonly name: string;
  readonly end: () => Promise<void>;
}

/**
 * How long one part has to end, in milliseconds. Longer than functions have for what they do, which is part of it, and
 * than dynalite waits for its operations.
 */
export const STEP_MS = 12_000;

/**
 * Returns what ends all parts, the last first. It may be called twice, never throws, and resolves after {@link STEP_MS}
 * for each part at the latest. A part that fails or takes longer is logged, and the next one is ended all the same: a
 * listener that stays open would keep the process alive for ever.
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
