/**
 * One request of a command to a hub. A hub that is busy is asked again. Every other problem is one sentence, which says what to do.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import { refusalOf, type TidingsError } from '../../client/errors.ts';
import type { Capability } from '../../protocol/capability.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import { type Fields, fieldsOf } from '../../protocol/fields.ts';
import { note, timeOf, waitFor } from '../terminal/waiting.ts';
import type { RemoteHub } from './remote-hub.ts';

/** One request. */
export interface Question {
  /** Default: GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** What the command does, for its user: `publishing on chat/room1`. */
  readonly doing: string;
  /** The rights that the request needs. */
  readonly needs: Capability;
  /** False if doing it twice is worse than not doing it: then it is not repeated after a 503, because it may have been done. */
  readonly isRepeatable?: boolean;
}

/** No answer came: the hub is not there, or the connection broke. */
export class NoAnswer extends Error {}

/** The hub has refused. */
export class Refused extends Error {
  /** One of the codes of PROTOCOL.md §9. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, sentence: string) {
    super(sentence);
    this.code = code;
  }
}

/** The time limit of one request, in milliseconds. The platform ends every request after 30 s. */
const ANSWER_MS = 60_000;
/** The time for which a busy hub is asked again, in milliseconds. */
const BUSY_MS = 60_000;
/** The first wait if the hub does not say how long, and the longest one, in milliseconds. */
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15_000;

/**
 * Sends a request, and again while the hub is busy (429, 503).
 * @throws NoAnswer if nothing answers
 * @throws Refused with one sentence
 */
export async function ask(hub: RemoteHub, path: string, question: Question): Promise<Response> {
  const until = performance.now() + BUSY_MS;
  for (let waits = 0; ; waits++) {
    const response = await waitFor(question.doing, send(hub, path, question));
    if (response.ok) return response;
    const refusal = await refusalOf(response);
    const pause = pauseAfter(refusal, waits);
    const isBusy = refusal.status === 429 || (refusal.status === 503 && question.isRepeatable !== false);
    if (!isBusy || performance.now() + pause > until)
      throw new Refused(refusal.code, sentenceOf(hub, refusal, question));
    note(`the hub is busy (${refusal.status} ${refusal.code}): ${question.doing} again in ${timeOf(pause)}`);
    await waitFor('waiting for the hub', wait(pause));
  }
}

/** Returns the members of the JSON object in an answer; none for an answer without a body. */
export async function membersIn(response: Response): Promise<Fields> {
  const text = await response.text();
  try {
    return fieldsOf(text === '' ? {} : JSON.parse(text));
  } catch {
    throw new Error(`${response.url} answered ${response.status}, but not by a hub: check --url`);
  }
}

async function send(hub: RemoteHub, path: string, { method, headers, body }: Question): Promise<Response> {
  const token = await hub.token();
  try {
    return await fetch(`${hub.url}${path}`, {
      method: method ?? 'GET',
      headers: { ...headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
      ...(body === undefined ? {} : { body }),
      // A redirect would send the token and the message to another site.
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch (error) {
    throw new NoAnswer(`${hub.url} cannot be reached (${reasonOf(error)}): ${hub.advice}`);
  }
}

/** Node puts the reason of a failed request into the cause. */
function reasonOf(error: unknown): string {
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code } = fieldsOf(reason);
  if (typeof code === 'string') return code;
  return reason instanceof Error ? reason.message : String(reason);
}

const pauseAfter = ({ retryAfterMs }: TidingsError, waits: number): number =>
  retryAfterMs > 0 ? retryAfterMs : Math.min(FIRST_WAIT_MS * 2 ** waits, LONGEST_WAIT_MS);

function sentenceOf(hub: RemoteHub, refusal: TidingsError, { doing, needs }: Question): string {
  const { code, status, message } = refusal;
  const mint = `npm run -s token --${hub.tokenFlags} --capability '${JSON.stringify(needs)}'`;
  const refused = `${doing} is refused with ${status} ${code}: ${message}`;
  if (code === 'unauthorized') return `${refused}; give a valid token with --token, such as that of ${mint}`;
  if (code === 'forbidden') return `${refused}; the token must allow it, such as that of ${mint}`;
  if (code === 'too_many_requests' || (code === 'unavailable' && status === 503))
    return `${refused}; try again later`;
  return refused;
}
