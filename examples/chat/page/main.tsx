/**
 * The page of the chat: a name, the rooms, and one room.
 * @module
 */
import { render } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { nameOf, type Session, signIn } from '../../shared/page/session.ts';
import { Alert, SignIn, sentenceOf } from '../../shared/page/sign-in.tsx';
import { enterRoom, type Message, type Room, type RoomState } from './room.ts';

const ROOMS = ['lobby', 'support', 'random'];

function App({ known }: { readonly known: Session | undefined }) {
  const [session, setSession] = useState(known);
  const [room, setRoom] = useState('lobby');
  if (session === undefined) return <SignIn title="Chat" onSession={setSession} />;
  return (
    <main>
      <header>
        <h1>Chat</h1>
        <nav aria-label="Rooms" class="row">
          {ROOMS.map((name) => (
            <button key={name} type="button" aria-pressed={name === room} onClick={() => setRoom(name)}>
              {name}
            </button>
          ))}
        </nav>
        <span class="muted">
          You are <bdi>{nameOf(session.id)}</bdi>
        </span>
      </header>
      <RoomView key={room} session={session} name={room} />
    </main>
  );
}

function RoomView({ session, name }: { readonly session: Session; readonly name: string }) {
  const room = useRef<Room>(null);
  const [state, setState] = useState<RoomState>();
  const [error, setError] = useState('');
  useEffect(() => {
    const entered = enterRoom(session.hub, name, session.id, setState);
    room.current = entered;
    return () => entered.leave();
  }, [session, name]);
  const run = async (work: Promise<void> | undefined): Promise<boolean> => {
    try {
      await work;
      setError('');
      return true;
    } catch (reason) {
      setError(sentenceOf(reason));
      return false;
    }
  };
  const { messages = [], present = [], typing = [], isBeginning = false } = state ?? {};
  return (
    <div class="columns">
      <section class="card talk" aria-label={`Room ${name}`}>
        <MessageList
          messages={messages}
          me={session.id}
          isBeginning={isBeginning}
          onOlder={() => run(room.current?.loadOlder())}
          onEdit={(id, text) => run(room.current?.edit(id, text))}
          onDelete={(id) => run(room.current?.remove(id))}
        />
        <p class="muted typing" role="status">
          {typing.length > 0 &&
            `${typing.map(nameOf).join(', ')} ${typing.length > 1 ? 'are' : 'is'} typing …`}
        </p>
        <Composer onType={() => room.current?.type()} onSend={(text) => run(room.current?.send(text))} />
        <Alert text={state?.error ?? error} />
      </section>
      <aside class="card" aria-label="Who is here">
        <h2>Here now: {present.length}</h2>
        <ul>
          {present.map((id) => (
            <li key={id}>
              <bdi>{nameOf(id)}</bdi>
              {id === session.id && <span class="muted"> (you)</span>}
            </li>
          ))}
        </ul>
        <p class="muted">{connectionOf(state)}</p>
      </aside>
    </div>
  );
}

interface ListProps {
  readonly messages: readonly Message[];
  readonly me: string;
  readonly isBeginning: boolean;
  readonly onOlder: () => Promise<boolean>;
  readonly onEdit: (id: string, text: string) => Promise<boolean>;
  readonly onDelete: (id: string) => Promise<boolean>;
}

/** Near the end of the list, in pixels: what comes then is scrolled to. */
const NEAR_END = 80;

function MessageList({ messages, me, isBeginning, onOlder, onEdit, onDelete }: ListProps) {
  const list = useRef<HTMLDivElement>(null);
  const before = useRef({ first: '', height: 0, isAtEnd: true });
  const first = messages[0]?.key ?? '';
  useLayoutEffect(() => {
    const { current: box } = list;
    if (box === null) return;
    // What was loaded above must not move what is read.
    if (first !== before.current.first) box.scrollTop += box.scrollHeight - before.current.height;
    if (before.current.isAtEnd) box.scrollTop = box.scrollHeight;
    before.current = { ...before.current, first, height: box.scrollHeight };
  }, [messages, first]);
  const onScroll = ({ currentTarget: box }: { readonly currentTarget: HTMLDivElement }): void => {
    before.current.isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <div ref={list} class="messages" role="log" aria-label="Messages" tabIndex={0} onScroll={onScroll}>
      {isBeginning ? (
        <p class="muted">This is the beginning of the room.</p>
      ) : (
        <button type="button" class="link" onClick={onOlder}>
          Older messages
        </button>
      )}
      <ol>
        {messages.map((message) => (
          <MessageView
            key={message.key}
            message={message}
            isMine={message.sender === me}
            onEdit={onEdit}
            onDelete={onDelete}
          />
        ))}
      </ol>
    </div>
  );
}

type MessageProps = Pick<ListProps, 'onEdit' | 'onDelete'> & {
  readonly message: Message;
  readonly isMine: boolean;
};

function MessageView({
  message: { id, sender, sentAt, text, state },
  isMine,
  onEdit,
  onDelete,
}: MessageProps) {
  const [draft, setDraft] = useState<string>();
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (draft !== undefined && (await onEdit(id, draft))) setDraft(undefined);
  };
  const canChange = isMine && state !== 'deleted' && draft === undefined;
  return (
    <li class={isMine ? 'mine' : ''}>
      <p class="muted">
        <bdi>{nameOf(sender)}</bdi> <time dateTime={sentAt}>{new Date(sentAt).toLocaleTimeString()}</time>
        {state === 'edited' && ' (edited)'}
        {canChange && (
          <>
            <button type="button" class="link" onClick={() => setDraft(text)}>
              Edit
            </button>
            <button type="button" class="link" onClick={() => onDelete(id)}>
              Delete
            </button>
          </>
        )}
      </p>
      {draft === undefined ? (
        <p class={`text ${state === 'deleted' ? 'muted' : ''}`} dir="auto">
          {state === 'deleted' ? 'deleted' : text}
        </p>
      ) : (
        <form class="row" onSubmit={save}>
          <input
            aria-label="New text"
            required
            maxLength={2_000}
            value={draft}
            onInput={({ currentTarget }) => setDraft(currentTarget.value)}
          />
          <button type="submit">Save</button>
          <button type="button" onClick={() => setDraft(undefined)}>
            Cancel
          </button>
        </form>
      )}
    </li>
  );
}

interface ComposerProps {
  readonly onType: () => void;
  readonly onSend: (text: string) => Promise<boolean>;
}

function Composer({ onType, onSend }: ComposerProps) {
  const [text, setText] = useState('');
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setText('');
    if (!(await onSend(text))) setText(text);
  };
  return (
    <form class="row" onSubmit={submit}>
      <input
        aria-label="Message"
        placeholder="Message"
        required
        maxLength={2_000}
        autoComplete="off"
        value={text}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value);
          onType();
        }}
      />
      <button type="submit" class="primary">
        Send
      </button>
    </form>
  );
}

function connectionOf(state: RoomState | undefined): string {
  const connection = state?.connection;
  if (connection?.state === 'connected') return `Connected by ${connection.transport}`;
  return connection?.state === 'offline' ? 'The hub does not answer. Trying again …' : 'Connecting …';
}

const root = document.getElementById('app');
if (root) render(<App known={await signIn()} />, root);
