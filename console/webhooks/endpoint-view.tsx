/**
 * One endpoint: what it is, what can be asked of it, and its deliveries.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import { asTidingsError } from '../../client/errors.ts';
import { ForeignName } from '../foreign-text.tsx';
import { useLooking } from '../looking.ts';
import type { PageProps } from '../session.ts';
import { Deliveries } from './deliveries.tsx';
import { Secret } from './new-endpoint.tsx';
import { SendAgain } from './send-again.tsx';
import { endpointRequests, readEndpoint, rotateSecret, type ShownEndpoint } from './webhook-calls.ts';

interface Props extends PageProps {
  readonly endpoint: ShownEndpoint;
  /** Called when the list must be read again. */
  readonly onChanged: () => void;
  /** Called when the endpoint is gone. */
  readonly onRemoved: () => void;
}

/** Colours of the states. */
const KINDS: Readonly<Record<string, string>> = { enabled: 'connected', disabled: 'refused' };

/** What can be asked of an endpoint in each status, or while it is `failing`, and what the page says after it. */
const ACTIONS = [
  {
    name: 'Send a test',
    when: ['enabled', 'disabled'],
    run: endpointRequests.test,
    done: 'A test is on its way.',
  },
  {
    name: 'Try again now',
    when: ['failing'],
    run: endpointRequests.enable,
    done: 'The hub tries the endpoint as if it had never failed.',
  },
  { name: 'Disable', when: ['enabled'], run: endpointRequests.disable, done: 'The endpoint is disabled.' },
  { name: 'Enable', when: ['disabled'], run: endpointRequests.enable, done: 'The endpoint is enabled.' },
  {
    name: 'Ask again whether it agrees',
    when: ['pending'],
    run: endpointRequests.handshake,
    done: 'The hub asks the endpoint.',
  },
];

/** The endpoint. */
export function EndpointView({ endpoint: listed, session, onUnauthorized, onChanged, onRemoved }: Props) {
  const { token } = session;
  const { id, url } = listed;
  const [seen, setSeen] = useState<ShownEndpoint>();
  const endpoint = seen ?? listed;
  const states = statesOf(endpoint);
  const [news, setNews] = useState('');
  const [problem, setProblem] = useState('');
  const [secret, setSecret] = useState('');
  const [looks, setLooks] = useState(0);

  function report(error: unknown): void {
    const { code, message } = asTidingsError(error);
    if (code === 'unauthorized') onUnauthorized();
    else setProblem(`${code}: ${message}`);
  }

  async function ask(request: () => Promise<unknown>, done: string): Promise<void> {
    setProblem('');
    setNews('');
    try {
      await request();
      setNews(done);
      setLooks(looks + 1);
      onChanged();
    } catch (error) {
      report(error);
    }
  }

  const remove = (): void => {
    if (confirm(`Delete the endpoint ${url}? The hub begins no more attempts after some seconds.`))
      endpointRequests.remove(token, id).then(onRemoved, report);
  };
  const rotate = (): void =>
    void ask(
      async () => setSecret(await rotateSecret(token, id)),
      'There is a new secret. The one before also signs for 24 hours.',
    );
  useEffect(() => setSecret(''), [id]);
  // The circuit opens and closes by itself. If the endpoint cannot be read, the list of its deliveries says so.
  useLooking(
    async (isOver) => {
      const [found] = await readEndpoint(token, id).catch(() => []);
      if (!isOver()) setSeen(found);
      return true;
    },
    [token, id, looks],
  );

  return (
    <section class="card channel-view" aria-labelledby="endpoint-url-shown">
      <header>
        <h2 id="endpoint-url-shown">
          <ForeignName text={url} />
        </h2>
        <p class="state" data-state={KINDS[states.join(' ')] ?? 'connecting'}>
          {statusOf(endpoint)}
        </p>
      </header>
      <Facts endpoint={endpoint} />
      <div class="actions wrap">
        {ACTIONS.filter(({ when }) => when.some((each) => states.includes(each))).map(
          ({ name, run, done }) => (
            <button key={name} type="button" onClick={() => void ask(() => run(token, id), done)}>
              {name}
            </button>
          ),
        )}
        <button type="button" onClick={rotate}>
          Rotate the secret
        </button>
        <button type="button" onClick={remove}>
          Delete
        </button>
      </div>
      {secret !== '' && <Secret secret={secret} />}
      <p role="status" class="news">
        {news}
      </p>
      {problem !== '' && (
        <p class="problem" role="alert">
          <ForeignName text={problem} />
        </p>
      )}
      <SendAgain token={token} endpoint={endpoint} onAsk={ask} />
      <Deliveries token={token} id={id} looks={looks} onAsk={ask} onProblem={report} />
    </section>
  );
}

/** The status, and whether the endpoint fails. */
const statesOf = ({ status, failingSince }: ShownEndpoint): string[] =>
  status === 'enabled' && failingSince !== '' ? [status, 'failing'] : [status];

function statusOf({ status, reason, failingSince, pausedUntil }: ShownEndpoint): string {
  if (reason !== '') return `${status} (${reason})`;
  const failing =
    failingSince === '' ? [] : [`failing since ${new Date(failingSince).toLocaleString('en-GB')}`];
  const paused =
    pausedUntil === ''
      ? []
      : [
          `paused until ${new Date(pausedUntil).toLocaleTimeString('en-GB')} (the circuit is open, or the endpoint asked for it)`,
        ];
  return [status, ...failing, ...paused].join(', ');
}

function Facts({
  endpoint: { id, channels, types, format, rate, description },
}: {
  endpoint: ShownEndpoint;
}) {
  const facts = {
    Channels: channels.join(', '),
    Types: types.length === 0 ? 'all' : types.join(', '),
    Format: format === '' ? 'standard' : format,
    Rate: rate === undefined ? 'no limit' : `${rate} a minute`,
    Id: id,
    ...(description === '' ? {} : { Description: description }),
  };
  return (
    <dl class="facts">
      {Object.entries(facts).map(([label, value]) => (
        <div key={label} class="figure">
          <dt>{label}</dt>
          <dd>
            <ForeignName text={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
