/**
 * The hook: a function of the team that is asked before messages are stored or sent (PROTOCOL.md §4.9).
 * @module
 */
import { patternsOf } from '../../protocol/channel-name.ts';
import { Refusal } from '../../protocol/errors.ts';
import { type Fields, fieldsOf } from '../../protocol/fields.ts';
import { isTombstone, type Messages } from './log/entry.ts';
import type { Log } from './log/log-ports.ts';
import { bodyKindOf, memberText, parseMessages, wireText } from './log/messages.ts';

/** A handler, and the channels of which it is asked. */
export interface Handler {
  /** The pattern of the channels. */
  readonly pattern: string;
  /** Calls the handler with a text of JSON, and returns its answer. @throws Refusal unavailable if it fails, is late or is busy */
  readonly invoke: (event: string) => Promise<string>;
}

/**
 * Asks about the messages of one publish. Returns a body with those that the handler wants in their place.
 * @throws Refusal refused if the handler refuses them, unavailable if it does not say what to do
 */
export type Hook = (contentType: string, messages: Messages) => Promise<Uint8Array>;

/** Characters of the sentence of a refusal that the caller gets. */
const MAX_SENTENCE_LENGTH = 1_000;

/** What neither XML nor a message of SQS may contain: the sentence becomes an attribute of a dead letter. */
const UNPRINTABLE = /[^\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

/**
 * Returns the hook for what a caller publishes on a channel; undefined if no handler has a pattern that matches. The first one counts.
 * @param principal the `sub` of the token; undefined for none
 */
export function hookFor(
  handlers: readonly Handler[],
  channel: string,
  principal: string | undefined,
): Hook | undefined {
  const patterns = handlers.length > 0 ? patternsOf(channel) : [];
  const handler = handlers.find(({ pattern }) => patterns.includes(pattern));
  if (!handler) return undefined;
  return async (contentType, messages) => {
    const kind = bodyKindOf(contentType);
    const texts = messages.map((message) => wireText(contentType, message)).join(',');
    const about = JSON.stringify({ channel, caller: { sub: principal ?? null } });
    const event = `${about.slice(0, -1)},"${kind}":${kind === 'messages' ? `[${texts}]` : texts}}`;
    return bodyIn(await handler.invoke(event), kind);
  };
}

/** Returns the body in an answer. The error of a function is JSON too, and has no such member. */
function bodyIn(answer: string, kind: ReturnType<typeof bodyKindOf>): Uint8Array {
  const { refuse, [kind]: content } = membersOf(answer);
  if (refuse !== undefined) throw refusalOf(refuse);
  const isList = Array.isArray(content) && content.length > 0;
  // The original text, as of every publish: parsing loses long numbers and the order of members.
  if (kind === 'messages' && isList) return new TextEncoder().encode(memberText(answer, kind));
  if (kind === 'messages' || typeof content !== 'string' || content === '') throw noAnswer();
  return kind === 'text' ? new TextEncoder().encode(content) : bytesOf(content);
}

function membersOf(answer: string): Fields {
  try {
    return fieldsOf(JSON.parse(answer));
  } catch {
    throw noAnswer();
  }
}

function refusalOf(refuse: unknown): Refusal {
  const { message } = fieldsOf(refuse);
  if (typeof message !== 'string' || message === '') return noAnswer();
  return new Refusal('refused', message.slice(0, MAX_SENTENCE_LENGTH).replace(UNPRINTABLE, ' '));
}

function bytesOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    throw noAnswer();
  }
}

const noAnswer = (): Refusal =>
  new Refusal('unavailable', 'the hook of the channel did not say what to do; retry');

/** A publish before its messages are stored or sent. */
interface Reviewed {
  readonly contentType: string | undefined;
  readonly hook?: Hook | undefined;
}

/**
 * Returns the messages that are to be stored or sent: those of the hook, if there is one. They have the same limits.
 * @throws Refusal refused, unavailable, too_large
 */
export async function reviewed({ contentType = '', hook }: Reviewed, messages: Messages): Promise<Messages> {
  if (!hook || messages.length === 0) return messages;
  return parseMessages(contentType, await hook(contentType, messages));
}

/** Returns true if the slot of an earlier attempt has its entry. Then the hook has accepted that publish, and is not asked again. */
export async function isWritten(log: Pick<Log, 'entries'>, streamId: string, slot: number): Promise<boolean> {
  const { entries } = await log.entries.before(streamId, slot + 1, 1);
  const [there] = entries;
  return there?.slot === slot && !isTombstone(there);
}
