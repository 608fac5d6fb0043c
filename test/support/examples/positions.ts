/**
 * The positions of the game's players, as another client of the hub sees them.
 * @module
 */
import { connect } from '../../../client/index.ts';
import { fieldsOf } from '../../../protocol/fields.ts';

/** Follows the positions. `places` has the last place from the left of each player. */
export function followPlayers(url: string, token: string) {
  const hub = connect({ url, token });
  const places = new Map<string, number>();
  // By a pattern, because a member of the channel itself counts as a player.
  hub.subscribe('demo/game/*', {
    onMessages() {},
    onEphemeral({ messages }) {
      for (const message of messages) {
        const { player, x } = fieldsOf(message);
        places.set(String(player), Number(x));
      }
    },
  });
  return { places, close: hub.close };
}
