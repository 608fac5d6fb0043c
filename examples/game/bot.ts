/**
 * A bot: a player like any other, with a token and a socket of its own. It runs to the coin or to a place of its own, and not quite straight.
 * @module
 */
import type { Hub } from '../../client/index.ts';
import { anyPlace, followBoard, moved, type Place, positionSender, REACH, STEP_MS } from './field.ts';

/** How much a bot wobbles, in parts of a step. A bot that does not would always win. */
const WOBBLE = 2.4;
/** How often a bot sees the new coin. If all saw each, all bots would be in one place. */
const SEES_COIN = 0.4;

/** Starts a bot. Returns the function that ends it. */
export function startBot(hub: Hub): () => void {
  let place = anyPlace();
  let goal = anyPlace();
  let coin: Place | undefined;
  let n = 0;
  const send = positionSender(hub);
  followBoard(hub, (board) => {
    const isNew = board.coin?.x !== coin?.x || board.coin?.y !== coin?.y;
    coin = board.coin;
    if (coin && isNew) goal = Math.random() < SEES_COIN ? coin : anyPlace();
  });
  const timer = setInterval(() => {
    const [dx, dy] = [goal.x - place.x, goal.y - place.y];
    const far = Math.hypot(dx, dy) || 1;
    if (far < REACH) goal = coin ?? anyPlace();
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
