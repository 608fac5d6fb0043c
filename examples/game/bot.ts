/**
 * A bot: a player like any other, with a token and a socket of its own. It runs to the coin, and not quite straight.
 * @module
 */
import type { Hub } from '../../client/index.ts';
import { anyPlace, followBoard, moved, positionSender, STEP_MS } from './field.ts';

/** How much a bot wobbles, in parts of a step. A bot that does not would always win. */
const WOBBLE = 2.4;

/** Starts a bot. Returns the function that ends it. */
export function startBot(hub: Hub): () => void {
  let place = anyPlace();
  let coin = place;
  let n = 0;
  const send = positionSender(hub);
  followBoard(hub, (board) => {
    coin = board.coin ?? coin;
  });
  const timer = setInterval(() => {
    const [dx, dy] = [coin.x - place.x, coin.y - place.y];
    const far = Math.hypot(dx, dy) || 1;
    const wobble = (): number => (Math.random() - 0.5) * WOBBLE;
    place = moved(place, dx / far + wobble(), dy / far + wobble());
    n += 1;
    // The next position replaces one that was lost.
    send(place, n).catch(() => {});
  }, STEP_MS);
  return () => {
    clearInterval(timer);
    hub.close();
  };
}
