/**
 * The backend of the game: the page, a referee that moves the coin and counts, and bots on the places that nobody has taken.
 * @module
 */
import { connect, type Hub } from '../../client/index.ts';
import type { Capability } from '../../scripts/mint.ts';
import { createKeyed, hubOfEnvironment, startApplication } from '../shared/application.ts';
import { startBot } from './bot.ts';
import {
  anyPlace,
  BOARD,
  followBoard,
  followPositions,
  PLAYERS,
  type Place,
  POSITIONS,
  REACH,
} from './field.ts';

const REFEREE = 'referee';
const PLAYS: Capability = { [POSITIONS]: ['publish', 'subscribe'], [BOARD]: ['subscribe'] };
const WATCHES: Capability = { [POSITIONS]: ['subscribe'], [BOARD]: ['subscribe'] };
const JUDGES: Capability = { [POSITIONS]: ['subscribe'], [BOARD]: ['publish', 'subscribe'] };

const hub = hubOfEnvironment();
const { url, socketUrl, streamUrl, tokenFor } = hub;
const clientOf = (sub: string, capability: Capability): Hub =>
  connect({ url, socketUrl, streamUrl, token: () => tokenFor(sub, capability) });

await createKeyed(hub, BOARD, '/key');

// People who are here, by their `sub`. Presence is the list of players: a page that is closed leaves by itself.
let people: readonly string[] = [];
await startApplication(hub, {
  title: 'Game',
  folder: import.meta.dirname,
  rightsOf: ({ id }) => (people.length < PLAYERS || people.slice(0, PLAYERS).includes(id) ? PLAYS : WATCHES),
});

const referee = clientOf(REFEREE, JUDGES);
let coin: Place | undefined;
let scores: ReadonlyMap<string, number> = new Map();
/** Publishes a new coin, and the score of the player that has found the last one. */
async function nextCoin(score?: object): Promise<void> {
  const before = coin;
  // Until the next coin is stored there is none: it has one finder.
  coin = undefined;
  try {
    await referee.publish(BOARD, [...(score ? [score] : []), { key: 'coin', ...anyPlace() }]);
  } catch (error) {
    process.stderr.write(`${error}\n`);
    coin = before;
  }
}
// The referee learns the scores from the log, as everybody does. So they survive a restart of this program.
followBoard(referee, (board) => {
  scores = board.scores;
  coin = board.coin;
});
followPositions(referee, ({ player, x, y }) => {
  if (coin === undefined || Math.hypot(coin.x - x, coin.y - y) > REACH) return;
  void nextCoin({ key: player, score: (scores.get(player) ?? 0) + 1 });
});
void nextCoin();

const bots = new Map<string, () => void>();
referee.presence(POSITIONS, {
  onChange(members) {
    const names = new Set(members.flatMap(({ principal }) => principal ?? []));
    people = [...names].filter((name) => name !== REFEREE);
    const wanted = Math.max(0, PLAYERS - people.length);
    for (let number = 1; number <= PLAYERS; number++) {
      const name = `Bot ${number}~bot`;
      if (number <= wanted && !bots.has(name)) bots.set(name, startBot(clientOf(name, PLAYS)));
      if (number > wanted) bots.get(name)?.();
      if (number > wanted) bots.delete(name);
    }
  },
  onError: ({ message }) => process.stderr.write(`${message}\n`),
});
