/**
 * Which way the player goes: by the arrow keys, or towards the pointer while it is down.
 * @module
 */
import type { Place } from '../field.ts';

const KEYS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
/** Nearer than this to the pointer the player stands still. */
const NEAR = 12;

/** Listens to keys and pointer. `direction` returns where to go from a place, and `end` stops listening. */
export function steering(canvas: HTMLCanvasElement) {
  const down = new Set<string>();
  let target: Place | undefined;
  const ended = new AbortController();
  const { signal } = ended;
  const point = ({ offsetX, offsetY }: PointerEvent): void => {
    const scale = canvas.width / canvas.clientWidth;
    target = { x: offsetX * scale, y: offsetY * scale };
  };
  addEventListener(
    'keydown',
    (event) => {
      if (KEYS[event.key] === undefined) return;
      // The page would scroll.
      event.preventDefault();
      down.add(event.key);
    },
    { signal },
  );
  addEventListener('keyup', ({ key }) => down.delete(key), { signal });
  addEventListener('blur', () => down.clear(), { signal });
  canvas.addEventListener('pointerdown', point, { signal });
  canvas.addEventListener('pointermove', (event) => target && point(event), { signal });
  for (const name of ['pointerup', 'pointercancel'] as const)
    addEventListener(
      name,
      () => {
        target = undefined;
      },
      { signal },
    );
  return {
    direction({ x, y }: Place): readonly [number, number] {
      if (target !== undefined) {
        const [dx, dy] = [target.x - x, target.y - y];
        return Math.hypot(dx, dy) < NEAR ? [0, 0] : [dx, dy];
      }
      const ways = [...down].map((key) => KEYS[key] ?? [0, 0]);
      return [ways.reduce((sum, [dx]) => sum + dx, 0), ways.reduce((sum, [, dy]) => sum + dy, 0)];
    },
    end: () => ended.abort(),
  };
}
