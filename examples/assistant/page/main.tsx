/**
 * The page of the assistant: the conversation, and a question.
 * @module
 */
import type { UIMessage } from 'ai';
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { signIn } from '../../shared/page/session.ts';
import { Alert } from '../../shared/page/sign-in.tsx';
import { PageChat } from './chat.ts';

function App({ messages }: { readonly messages: UIMessage[] }) {
  const [, setChanges] = useState(0);
  const [chat] = useState(() => new PageChat(messages, () => setChanges((count) => count + 1)));
  const [question, setQuestion] = useState('');
  // An answer that is being written goes on.
  useEffect(() => void chat.resumeStream(), [chat]);
  const isAnswering = chat.status === 'submitted' || chat.status === 'streaming';
  const submit = (event: Event): void => {
    event.preventDefault();
    chat.sendMessage({ text: question });
    setQuestion('');
  };
  return (
    <main class="conversation">
      <header>
        <h1>Assistant</h1>
        <p class="muted" role="status">
          {isAnswering ? 'Answering … reload the page, and it goes on.' : 'Ready'}
        </p>
      </header>
      <div class="card" role="log" aria-label="Conversation">
        <ol>
          {chat.messages.map(({ id, role, parts }) => (
            <li key={id} class={role}>
              <p class="muted">{role === 'user' ? 'You' : 'Assistant'}</p>
              <p class="text" dir="auto">
                {parts.map((part) => (part.type === 'text' ? part.text : '')).join('')}
              </p>
            </li>
          ))}
        </ol>
      </div>
      <form class="row" onSubmit={submit}>
        <input
          aria-label="Question"
          placeholder="Ask something"
          required
          maxLength={2_000}
          autoComplete="off"
          value={question}
          onInput={({ currentTarget }) => setQuestion(currentTarget.value)}
        />
        <button type="submit" class="primary" disabled={isAnswering}>
          Ask
        </button>
      </form>
      <Alert text={chat.error?.message ?? ''} />
    </main>
  );
}

await signIn('Guest');
const root = document.getElementById('app');
// Our own backend: the same project has the other side of this answer.
const messages: UIMessage[] = await (await fetch('/chat')).json();
if (root) render(<App messages={messages} />, root);
