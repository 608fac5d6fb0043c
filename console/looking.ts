/**
 * Looks at something again and again, while a page shows it.
 * @module
 */
import { type Inputs, useEffect } from 'preact/hooks';

/** The pause between two looks, in milliseconds. */
const LOOK_MS = 2_000;

/**
 * Calls `look` at once, and again after each pause, until the page shows something else, or `look` returns false.
 * @param look gets a function that is true as soon as nobody waits for its result. It must not throw
 * @param inputs begin again when one of them changes
 */
export function useLooking(look: (isOver: () => boolean) => Promise<boolean>, inputs: Inputs): void {
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout>;
    const next = async (): Promise<void> => {
      const goesOn = await look(() => isOver);
      if (goesOn && !isOver) timer = setTimeout(() => void next(), LOOK_MS);
    };
    void next();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, inputs);
}
