/**
 * Asks a visitor for a name.
 * @module
 */
import { useState } from 'preact/hooks';
import { type Session, signIn } from './session.ts';

interface Props {
  /** The title of the page. */
  readonly title: string;
  /** Receives the session. */
  readonly onSession: (session: Session | undefined) => void;
}

/** The form for a name. */
export function SignIn({ title, onSession }: Props) {
  const [name, setName] = useState('');
  const [error, setError] = useState('');
  const submit = (event: Event): void => {
    event.preventDefault();
    signIn(name).then(onSession, (reason: unknown) => setError(sentenceOf(reason)));
  };
  return (
    <main>
      <form class="card sign-in" onSubmit={submit}>
        <h1>{title}</h1>
        <label for="name">Your name</label>
        <input
          id="name"
          required
          maxLength={24}
          autoComplete="nickname"
          value={name}
          onInput={({ currentTarget }) => setName(currentTarget.value)}
        />
        <button type="submit" class="primary">
          Enter
        </button>
        <Alert text={error} />
      </form>
    </main>
  );
}

/** A sentence about something that failed. Nothing for an empty text. */
export const Alert = ({ text }: { readonly text: string }) =>
  text === '' ? null : (
    <p role="alert" class="alert">
      {text}
    </p>
  );

/** Returns the sentence of an error. */
export const sentenceOf = (reason: unknown): string =>
  reason instanceof Error ? reason.message : String(reason);
