/**
 * Frames held against docs/asyncapi.yaml: the document says which messages go which way, and what each must look like.
 * @module
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { parse } from 'yaml';
import type { ErrorCode } from '../../../protocol/errors.ts';

/** Every member that the hub or the gateway may say; which come together, the document knows. */
export interface Heard {
  readonly type?: 'subscribed' | 'unsubscribed' | 'published' | 'pong' | 'error' | 'messages';
  readonly id?: string;
  readonly channel?: string;
  readonly pattern?: string;
  readonly offset?: string;
  readonly from?: string;
  readonly next?: string;
  readonly messages?: readonly unknown[];
  readonly text?: readonly string[];
  readonly base64?: readonly string[];
  readonly omitted?: true;
  readonly conflated?: true;
  readonly closed?: true;
  readonly connection?: string;
  readonly code?: ErrorCode;
  readonly message?: string;
  readonly connectionId?: string;
  readonly requestId?: string;
}

interface Operation {
  readonly action: 'send' | 'receive';
  readonly messages: readonly { readonly $ref: string }[];
  readonly reply?: Pick<Operation, 'messages'>;
}

const FILE = resolve(import.meta.dirname, '../../../docs/asyncapi.yaml');
const document: { readonly operations: Readonly<Record<string, Operation>> } = parse(
  readFileSync(FILE, 'utf8'),
);
const ajv = new Ajv({ strict: false }).addSchema(document, 'asyncapi');

const namesOf = ({ messages }: Pick<Operation, 'messages'>): string[] =>
  messages.map(({ $ref }) => $ref.slice($ref.lastIndexOf('/') + 1));
const compiled = <T>(names: readonly string[]): ReadonlyMap<string, ValidateFunction<T>> =>
  new Map(
    names.map((name) => [name, ajv.compile<T>({ $ref: `asyncapi#/components/messages/${name}/payload` })]),
  );

const operations = Object.values(document.operations);
const received = operations.filter(({ action }) => action === 'receive');
const sent = operations.filter(({ action }) => action === 'send');
const replies = received.flatMap(({ reply }) => (reply ? [reply] : []));
const fromClient = compiled<object>(received.flatMap(namesOf));
const fromHub = compiled<Heard>([...sent, ...replies].flatMap(namesOf));

/** A frame of the hub's. @throws Error if the document has no such frame */
export function heard(text: string): Heard {
  const frame: unknown = JSON.parse(text);
  return held(frame, fromHub.get(memberOf(frame, 'type') ?? 'gateway'));
}

/** A frame of a client's. @throws Error if the document has no such frame */
export function said(frame: object): string {
  return JSON.stringify(held(frame, fromClient.get(memberOf(frame, 'action') ?? '')));
}

function held<T>(frame: unknown, isOne: ValidateFunction<T> | undefined): T {
  if (isOne?.(frame)) return frame;
  throw new Error(`not a frame of asyncapi.yaml: ${ajv.errorsText(isOne?.errors)}: ${JSON.stringify(frame)}`);
}

function memberOf(frame: unknown, name: string): string | undefined {
  const member = typeof frame === 'object' && frame !== null ? Object.entries(frame) : [];
  const [, value] = member.find(([key]) => key === name) ?? [];
  return value === undefined ? undefined : String(value);
}
