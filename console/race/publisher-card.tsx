/**
 * The controls of the publisher.
 * @module
 */
import { useState } from 'preact/hooks';
import { count } from '../format.ts';
import type { Publisher } from './publisher.ts';

const MAX_PER_SECOND = 50;
/** Tenths of a kilobyte. */
const SIZES = { least: 2, most: 80, first: 2 };
const BYTES_OF_TENTH = 102.4;

interface Props {
  readonly publisher: Publisher;
  readonly channel: string;
  /** What a button did last. */
  readonly news: string;
}

/** The card above the tracks. */
export function PublisherCard({ publisher, channel, news }: Props) {
  const [perSecond, setPerSecond] = useState(10);
  const [tenths, setTenths] = useState(SIZES.first);
  const { sent, stored, problem, isStreaming } = publisher.view();
  const bytes = Math.round(tenths * BYTES_OF_TENTH);
  const restream = (rate: number, size: number): void => {
    if (isStreaming) publisher.stream(rate, Math.round(size * BYTES_OF_TENTH));
  };
  return (
    <section class="card publisher" aria-label="Publisher">
      <div class="channel">
        <span>Channel</span> <bdi>{channel}</bdi>
      </div>
      <label>
        <span>
          Messages a second <output>{perSecond}</output>
        </span>
        <input
          type="range"
          min={1}
          max={MAX_PER_SECOND}
          value={perSecond}
          onInput={({ currentTarget: { valueAsNumber } }) => {
            setPerSecond(valueAsNumber);
            restream(valueAsNumber, tenths);
          }}
        />
      </label>
      <label>
        <span>
          Size <output>{(tenths / 10).toFixed(1)} KB</output>
        </span>
        <input
          type="range"
          min={SIZES.least}
          max={SIZES.most}
          value={tenths}
          onInput={({ currentTarget: { valueAsNumber } }) => {
            setTenths(valueAsNumber);
            restream(perSecond, valueAsNumber);
          }}
        />
      </label>
      <div class="actions">
        <button type="button" onClick={() => publisher.publish(bytes)}>
          Publish one
        </button>
        <button
          type="button"
          class="primary"
          onClick={() => publisher.stream(isStreaming ? 0 : perSecond, bytes)}
        >
          {isStreaming ? 'Stop' : 'Start the stream'}
        </button>
      </div>
      <p class="sent">
        <b>{count(sent)}</b> published, <b>{count(stored)}</b> stored
      </p>
      <p class="news" role="status">
        {news}
      </p>
      {problem !== '' && (
        <p class="problem" role="alert">
          <bdi>{problem}</bdi>
        </p>
      )}
    </section>
  );
}
