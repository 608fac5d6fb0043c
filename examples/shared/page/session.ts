/**
 * The session of a page: who the visitor is, and a client of the hub with the visitor's token.
 * @module
 */
import { connect, type Hub } from '../../../client/index.ts';

/** A visitor who is signed in. */
export interface Session {
  /** The client of the hub. */
  readonly hub: Hub;
  /** The `sub` of the visitor's tokens, by which the hub stamps messages. */
  readonly id: string;
}

/** Signs in. Without a name: as the visitor of the last time. Returns undefined if there was none. @throws Error in one sentence */
export async function signIn(name?: string): Promise<Session | undefined> {
  const first = await ask(name);
  if (first === undefined) return undefined;
  const { id, url, socketUrl, streamUrl } = first;
  let unused: string | undefined = first.token;
  const hub = connect({
    url,
    socketUrl,
    streamUrl,
    async token() {
      const token = unused ?? (await next(id));
      unused = undefined;
      return token;
    },
  });
  return { hub, id };
}

/** Returns the name in an id: what is before the characters that make it unique. */
export const nameOf = (id: string): string => id.replace(/~[^~]*$/, '');

async function next(id: string): Promise<string> {
  const answer = await ask(undefined);
  if (answer?.id === id) return answer.token;
  // The backend was started again, and has forgotten its visitors.
  location.reload();
  throw new Error('the session has ended');
}

interface Answer {
  readonly id: string;
  readonly token: string;
  readonly url: string;
  readonly socketUrl: string | undefined;
  readonly streamUrl: string | undefined;
}

async function ask(name: string | undefined): Promise<Answer | undefined> {
  const response = await fetch('/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  if (response.status === 401) return undefined;
  if (!response.ok) throw new Error(await response.text());
  // Our own backend: the same project has the other side of this answer.
  const { id, token, url, socketUrl, streamUrl }: Answer = await response.json();
  return { id, token, url, socketUrl, streamUrl };
}
