/**
 * The page of the game: the field, the scores, and the time that a position takes to the hub and back.
 * @module
 */
import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Figure } from '../../shared/page/figure.tsx';
import { nameOf, type Session, signIn } from '../../shared/page/session.ts';
import { Alert, SignIn } from '../../shared/page/sign-in.tsx';
import {
  anyPlace,
  type Board,
  FIELD,
  followBoard,
  followPositions,
  moved,
  type Position,
  positionSender,
  STEP_MS,
} from '../field.ts';
import { draw } from './draw.ts';
import { steering } from './steering.ts';

/** A player that says nothing for so long is not drawn, in milliseconds. */
const GONE_MS = 2_000;
/** Round trips that are counted: those of the last ten seconds. */
const MOST_TRIPS = 200;
const SCORES = 8;

interface Shown {
  readonly board: Board;
  readonly players: number;
  readonly trips: readonly number[];
}

function App({ known }: { readonly known: Session | undefined }) {
  const [session, setSession] = useState(known);
  return session === undefined ? <SignIn title="Game" onSession={setSession} /> : <Game session={session} />;
}

function Game({ session }: { readonly session: Session }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [shown, setShown] = useState<Shown>();
  const [error, setError] = useState('');
  useEffect(
    () => (canvas.current ? play(session, canvas.current, setShown, setError) : undefined),
    [session],
  );
  const { board, players = 0, trips = [] } = shown ?? {};
  const scores = [...(board?.scores ?? [])].sort((a, b) => b[1] - a[1]).slice(0, SCORES);
  return (
    <main>
      <header>
        <h1>Game</h1>
        <dl class="figures">
          <Figure label="Players" value={String(players)} />
          <Figure label="Round trip, median" value={quantileOf(trips, 0.5)} />
          <Figure label="Round trip, 95 of 100" value={quantileOf(trips, 0.95)} />
        </dl>
        <p class="muted">Arrow keys, or the pointer. Get the coin first.</p>
      </header>
      <Alert text={error} />
      <div class="columns">
        <canvas
          ref={canvas}
          width={FIELD.width}
          height={FIELD.height}
          role="img"
          aria-label={`The field with ${players} players`}
        />
        <section class="card">
          <h2>Scores</h2>
          <ol>
            {scores.map(([player, score]) => (
              <li key={player} class="row">
                <bdi>{nameOf(player)}</bdi>
                {player === session.id && <span class="muted">(you)</span>}
                <strong>{score}</strong>
              </li>
            ))}
          </ol>
        </section>
      </div>
    </main>
  );
}

/** Plays until the function that it returns is called. */
function play(
  { hub, id }: Session,
  canvas: HTMLCanvasElement,
  onShown: (shown: Shown) => void,
  onError: (sentence: string) => void,
): () => void {
  let board: Board = { coin: undefined, scores: new Map() };
  let me = anyPlace();
  let n = 0;
  const sentAt = new Map<number, number>();
  let trips: readonly number[] = [];
  const players = new Map<string, Position & { readonly at: number }>();
  const send = positionSender(hub);
  const { direction, end } = steering(canvas);

  followBoard(hub, (next) => {
    board = next;
  });
  followPositions(hub, (position) => {
    const now = performance.now();
    players.set(position.player, { ...position, at: now });
    const sent = position.player === id ? sentAt.get(position.n) : undefined;
    if (sent !== undefined) trips = [...trips, now - sent].slice(-MOST_TRIPS);
  });
  const presence = hub.presence('demo/game/positions', { onError: ({ message }) => onError(message) });

  const stepping = setInterval(() => {
    const [dx, dy] = direction(me);
    if (dx !== 0 || dy !== 0) me = moved(me, dx, dy);
    n += 1;
    sentAt.set(n, performance.now());
    sentAt.delete(n - MOST_TRIPS);
    // A position that is lost is replaced by the next one. Only a refusal is news: there may be eight players already.
    send(me, n).catch((reason: { readonly code?: unknown; readonly message: string }) => {
      if (reason.code === 'forbidden')
        onError('There are eight players already: you are watching. Reload to try again.');
    });
    for (const [player, { at }] of players) if (performance.now() - at > GONE_MS) players.delete(player);
    onShown({ board, players: players.size, trips });
  }, STEP_MS);
  let frame = requestAnimationFrame(function next() {
    // This player is where it is, and not where the hub last saw it.
    const others = [...players.values()].filter(({ player }) => player !== id);
    draw(canvas, board.coin, [...others, { player: id, ...me }], id);
    frame = requestAnimationFrame(next);
  });
  return () => {
    clearInterval(stepping);
    cancelAnimationFrame(frame);
    presence.leave();
    end();
  };
}

function quantileOf(trips: readonly number[], part: number): string | undefined {
  const sorted = [...trips].sort((a, b) => a - b);
  const trip = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  return trip === undefined ? undefined : `${Math.round(trip)} ms`;
}

const root = document.getElementById('app');
if (root) render(<App known={await signIn()} />, root);
