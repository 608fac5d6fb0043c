/**
 * The rules of the game, for the page, the bots and the referee. Positions are ephemeral: a moment later nobody needs them. The coin and
 * the scores are stored, on a keyed channel, so a player that comes late has them at once.
 * @module
 */
import type { Hub } from '../../client/index.ts';

/** The channel of the positions. Each player publishes its own. */
export const POSITIONS = 'demo/game/positions';
/** The channel of the coin and the scores. Only the referee publishes there. */
export const BOARD = 'demo/game/board';
/** The size of the field. */
export const FIELD = { width: 960, height: 540 };
/** Players, bots included. */
export const PLAYERS = 8;
/** Time between two positions of a player, in milliseconds: 20 a second. */
export const STEP_MS = 50;
/** How far a player moves in one step. */
export const STEP = 11;
/** How near a player must come to the coin. */
export const REACH = 22;
/** Positions that the hub has not answered yet. A player with more skips one, because a later one will replace it. */
const MOST_UNANSWERED = 3;

/** A place on the field. */
export interface Place {
  /** From the left. */
  readonly x: number;
  /** From the top. */
  readonly y: number;
}

/** A position that was published. */
export interface Position extends Place {
  /** The `sub` of the token that published it: the stamp of the hub. */
  readonly player: string;
  /** The number that the player gave it. */
  readonly n: number;
}

/** What is stored. */
export interface Board {
  /** Where the coin is. */
  readonly coin: Place | undefined;
  /** The score of each player that ever had one. */
  readonly scores: ReadonlyMap<string, number>;
}

/** Returns a place from which a player has moved one step in a direction, within the field. */
export function moved({ x, y }: Place, dx: number, dy: number): Place {
  const length = Math.hypot(dx, dy) || 1;
  const within = (value: number, most: number): number => Math.round(Math.min(Math.max(value, 0), most));
  return {
    x: within(x + (dx / length) * STEP, FIELD.width),
    y: within(y + (dy / length) * STEP, FIELD.height),
  };
}

/** Returns a random place. */
export const anyPlace = (): Place => ({
  x: Math.round(40 + Math.random() * (FIELD.width - 80)),
  y: Math.round(40 + Math.random() * (FIELD.height - 80)),
});

/** Follows the coin and the scores. */
export function followBoard(hub: Hub, onChange: (board: Board) => void): void {
  let coin: Place | undefined;
  const scores = new Map<string, number>();
  hub.subscribe(BOARD, {
    latest: true,
    onMessages({ messages }) {
      for (const message of messages) {
        const { key, x, y, score } = fieldsOf(message);
        if (key === 'coin' && typeof x === 'number' && typeof y === 'number') coin = { x, y };
        else if (typeof key === 'string' && typeof score === 'number') scores.set(key, score);
      }
      onChange({ coin, scores: new Map(scores) });
    },
  });
}

/** Follows the positions of all players. */
export function followPositions(hub: Hub, onPosition: (position: Position) => void): void {
  hub.subscribe(POSITIONS, {
    // Nothing is stored on this channel.
    onMessages() {},
    onEphemeral({ messages }) {
      for (const message of messages) {
        const { player, x, y, n } = fieldsOf(message);
        if (typeof player !== 'string' || typeof x !== 'number' || typeof y !== 'number') continue;
        onPosition({ player, x, y, n: Number(n) });
      }
    },
  });
}

/** Returns a function that publishes a position. It skips one while the hub is slow. */
export function positionSender(hub: Hub) {
  let unanswered = 0;
  return async ({ x, y }: Place, n: number): Promise<void> => {
    if (unanswered >= MOST_UNANSWERED) return;
    unanswered += 1;
    try {
      await hub.publish(POSITIONS, [{ x, y, n }], { ephemeral: true });
    } finally {
      unanswered -= 1;
    }
  };
}

const fieldsOf = (value: unknown): Partial<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? { ...value } : {};
