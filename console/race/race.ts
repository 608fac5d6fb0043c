/**
 * A race: one publisher, and five tracks that follow its channel.
 * @module
 */
import { STREAM_NEXT_OFFSET } from '../../protocol/headers.ts';
import { claimsOf, hubUrls, request, type Session } from '../session.ts';
import { newPublisher, type Publisher } from './publisher.ts';
import { raceChannel } from './race-channel.ts';
import { clientTrack, type Track, type TrackOptions } from './track.ts';
import { type WebhookTrack, webhookTrack } from './webhook-track.ts';

/** A race that runs. */
export interface Race {
  /** The channel. */
  readonly channel: string;
  /** The publisher. */
  readonly publisher: Publisher;
  /** The five tracks, in the order of the page. */
  readonly tracks: readonly Track[];
  /** The last of them. */
  readonly webhook: WebhookTrack;
  /** Ends the race, and removes its endpoint, and its channel if that is its own. */
  readonly close: () => void;
}

/** Characters of the name of a channel. */
const NAME_LENGTH = 8;

function randomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(NAME_LENGTH));
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join('');
}

/**
 * Makes the channel of a race, and starts the race.
 * @throws TidingsError if the token may not use the channel, or the hub does not answer
 */
export async function startRace({ token, receiver }: Session, onUnauthorized: () => void): Promise<Race> {
  const race = randomName();
  const { channel, isOwn } = raceChannel(claimsOf(token), race);
  const path = `/channels/${channel}`;
  // Some hubs let only PUT make channels. It answers 200 for a channel that exists.
  await request(token, path, { method: 'PUT', headers: { 'Content-Type': 'application/json' } });
  const end = (await request(token, path, { method: 'HEAD' })).headers.get(STREAM_NEXT_OFFSET) ?? '-1';
  const options: TrackOptions = { ...hubUrls(), token, channel, race, start: end, onUnauthorized };
  const webhook = webhookTrack(options);
  const tracks: Track[] = [
    ...(['poll', 'long-poll', 'sse', 'websocket'] as const).map((way) => clientTrack(way, options)),
    webhook,
  ];
  const publisher = newPublisher(options, (n, offset) => {
    for (const track of tracks) track.acknowledged(n, offset);
  });
  if (receiver !== undefined) void webhook.send(receiver);
  return {
    channel,
    publisher,
    tracks,
    webhook,
    close() {
      publisher.close();
      for (const track of tracks) track.close();
      if (!isOwn) return;
      request(token, path, { method: 'DELETE', keepalive: true }).catch(() => {
        // A token without `manage` leaves the channel. Its messages leave with their retention.
      });
    },
  };
}
