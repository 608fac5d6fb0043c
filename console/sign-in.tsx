/**
 * Asks for a token. An address with a one-time code signs in by itself.
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import { asTidingsError } from '../client/errors.ts';
import { type Session, signIn, signInByCode, takeCode } from './session.ts';

const COMMAND = `npm run -s token -- --capability '{"*":["publish","subscribe","webhook","manage"]}'`;

const USED =
  'This link was used before: it signs in once. Start the hub again for another one, or paste a token.';

/** The form, and what came of it. */
export function SignIn({ notice, onSession }: { notice: string; onSession: (session: Session) => void }) {
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState(notice);
  const [isBusy, setBusy] = useState(false);

  async function attempt(sign: () => Promise<Session>, refused: string): Promise<void> {
    setBusy(true);
    setProblem('');
    try {
      onSession(await sign());
    } catch (error) {
      const { code, message } = asTidingsError(error);
      const isRefused = code === 'unauthorized' || code === 'forbidden';
      setProblem(isRefused ? refused : `${message} (${code})`);
      setBusy(false);
    }
  }

  useEffect(() => {
    const code = takeCode();
    if (code !== undefined) void attempt(() => signInByCode(code), USED);
  }, []);

  const submit = (event: Event): void => {
    event.preventDefault();
    const refused =
      'The hub does not accept this token: it is incomplete, has expired, or is for another hub.';
    void attempt(() => signIn(token.trim()), refused);
  };

  return (
    <main class="sign-in">
      <form class="card" onSubmit={submit}>
        <h1>Tidings console</h1>
        <p>
          Sign in to <bdi>{location.host}</bdi> with a token of this hub.
        </p>
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          value={token}
          onInput={({ currentTarget }) => setToken(currentTarget.value)}
          aria-describedby="token-help token-problem"
        />
        <p id="token-problem" role="alert" class="problem">
          {problem}
        </p>
        <button type="submit" class="primary" disabled={isBusy}>
          {isBusy ? 'Signing in …' : 'Sign in'}
        </button>
        <div id="token-help" class="hint">
          <p>The token stays in the memory of this page. A reload forgets it. This command prints one:</p>
          <pre>{COMMAND}</pre>
        </div>
      </form>
    </main>
  );
}
