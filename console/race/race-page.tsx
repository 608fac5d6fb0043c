/**
 * The race: one publisher at the top, and five tracks below it.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import { asTidingsError } from '../../client/errors.ts';
import type { PageProps } from '../session.ts';
import { PublisherCard } from './publisher-card.tsx';
import { type Race, startRace } from './race.ts';
import type { Track, TrackView } from './track.ts';
import { TrackCard } from './track-card.tsx';
import { WAYS, type Way } from './ways.ts';
import { WebhookForm } from './webhook-form.tsx';

/** The pause between two updates of the page, in milliseconds. */
const REFRESH_MS = 250;
/** The time for which the network of a track is cut, in milliseconds. */
const CUT_MS = 5_000;

/** The page. It makes its channel first. */
export function RacePage({ session, onUnauthorized }: PageProps) {
  const [race, setRace] = useState<Race>();
  const [problem, setProblem] = useState('');
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    let isOver = false;
    let started: Race | undefined;
    const close = (): void => started?.close();
    setProblem('');
    startRace(session, onUnauthorized).then(
      (made) => {
        started = made;
        if (isOver) close();
        else setRace(made);
      },
      (error: unknown) => {
        const { code, message } = asTidingsError(error);
        if (isOver) return;
        if (code === 'unauthorized') onUnauthorized();
        else setProblem(`${code}: ${message}`);
      },
    );
    // A page that is closed must leave no endpoint behind. A browser may show it again later as it was.
    const comeBack = ({ persisted }: PageTransitionEvent): void => {
      if (persisted) setAttempt(attempt + 1);
    };
    addEventListener('pagehide', close);
    addEventListener('pageshow', comeBack);
    return () => {
      isOver = true;
      removeEventListener('pagehide', close);
      removeEventListener('pageshow', comeBack);
      close();
      setRace(undefined);
    };
  }, [session, attempt]);

  if (race !== undefined) return <RunningRace race={race} isLocal={session.receiver !== undefined} />;
  return (
    <main class="pause">
      <h1 class="hidden">Race</h1>
      {problem === '' ? (
        <p role="status">Making a channel for the race …</p>
      ) : (
        <div class="card notice" role="alert">
          <p>The race cannot begin.</p>
          <p>
            <bdi>{problem}</bdi>
          </p>
          <button type="button" class="primary" onClick={() => setAttempt(attempt + 1)}>
            Try again
          </button>
        </div>
      )}
    </main>
  );
}

/** True if none of the clients has a connection, although no button is the reason. */
function isHubGone(views: readonly TrackView[]): boolean {
  const kinds = views.filter((_view, at) => at < views.length - 1).map(({ state }) => state.kind);
  return kinds.every((kind) => kind === 'reconnecting' || kind === 'offline');
}

function RunningRace({ race, isLocal }: { race: Race; isLocal: boolean }) {
  const [, refresh] = useState(0);
  const [frozen, setFrozen] = useState<readonly Way[]>([]);
  const [news, setNews] = useState('');
  useEffect(() => {
    const timer = setInterval(() => refresh((times) => times + 1), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);

  function cutFor5Seconds({ way, cut }: Track): void {
    cut?.(true);
    setNews(`${WAYS[way]}: the network is cut for 5 seconds.`);
    setTimeout(() => {
      cut?.(false);
      setNews(`${WAYS[way]}: the network is back. The track continues from its offset.`);
    }, CUT_MS);
  }

  function toggleFrozen({ way, freeze }: Track): void {
    const isFrozen = !frozen.includes(way);
    freeze?.(isFrozen);
    setFrozen(isFrozen ? [...frozen, way] : frozen.filter((one) => one !== way));
    setNews(`${WAYS[way]}: ${isFrozen ? 'frozen. Messages wait.' : 'goes on.'}`);
  }

  function addClients(track: Track, more: number): void {
    track.addClients(more);
    const { calculated } = track.view();
    const how =
      calculated > 0 ? 'calculated, because a browser and the hub bound requests that are held' : 'connected';
    setNews(`${WAYS[track.way]}: ${more} clients more, ${how}.`);
  }

  const views = race.tracks.map((track) => track.view());
  return (
    <main class="race">
      <h1 class="hidden">Race</h1>
      <PublisherCard publisher={race.publisher} channel={race.channel} news={news} />
      {isHubGone(views) && (
        <p class="card notice" role="alert">
          The hub does not answer. The tracks connect again by themselves, and continue from their offsets.
        </p>
      )}
      {race.tracks.map((track, at) => {
        const view = views[at];
        return (
          view && (
            <TrackCard
              key={track.way}
              track={track}
              view={view}
              isFrozen={frozen.includes(track.way)}
              onCut={() => cutFor5Seconds(track)}
              onFreeze={() => toggleFrozen(track)}
              onMore={(more) => addClients(track, more)}
            >
              {track.way === 'webhook' && race.webhook.endpoint() === undefined && (
                <WebhookForm isLocal={isLocal} onSend={race.webhook.send} />
              )}
            </TrackCard>
          )
        );
      })}
      <p class="hint">
        Delay: from the publish to the arrival in this page; for a webhook, to the answer of its receiver, by
        the clock of the hub. AWS calls and dollars follow from the traffic by the cost table of the hub. They
        leave out what the hub pays once for all clients: the publish and the push. More clients are real for
        short polling and WebSocket, and calculated for the others.
      </p>
    </main>
  );
}
