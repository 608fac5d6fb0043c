/**
 * The option `onPublish`: functions of the team that are asked about publishes. It is a prop only, because a function has no context key.
 * @module
 */
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { isPattern, patternsOf } from '../../protocol/channel-name.ts';
import { MAX_HOOK_MS, USUAL_HOOK_MS } from '../../protocol/limits.ts';

/** A function that is asked about the publishes of some channels before they are stored. */
export interface TidingsHook {
  /** The channels: a name, a name followed by `/*`, or `*`. The first hook whose pattern matches a channel counts. */
  readonly pattern: string;
  /** The function. PROTOCOL.md §4.9 says what it gets and answers. */
  readonly handler: IFunction;
  /**
   * How long it may take, in milliseconds: 100 to 3,000. A publish that waits for longer is refused.
   * @default 1000
   */
  readonly timeoutMs?: number | undefined;
}

/** A hook as functions of the hub have it. */
export interface HookConfig {
  /** The pattern. */
  readonly pattern: string;
  /** The ARN of the function, which may be known at deployment only. */
  readonly functionArn: string;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** The environment of a function has room for so few. */
const MAX_HOOKS = 5;

/** The shortest time. A function that is warm takes some milliseconds, and the way to it about ten. */
const MIN_HOOK_MS = 100;

const MEMBERS = ['pattern', 'handler', 'timeoutMs'];

/** Reads the hooks. @throws Error with one sentence for the first mistake */
export function parseHooks(value: unknown): readonly HookConfig[] {
  if (!Array.isArray(value) || value.length > MAX_HOOKS)
    throw new Error(
      `it must be a list of at most ${MAX_HOOKS} hooks, each with pattern, handler and timeoutMs`,
    );
  const hooks = value.map(parseHook);
  for (const [at, { pattern }] of hooks.entries()) {
    const earlier = hooks.slice(0, at).find((other) => covers(other.pattern, pattern));
    if (earlier)
      throw new Error(
        `"${pattern}" never counts, because "${earlier.pattern}" comes before it: change their order`,
      );
  }
  return hooks;
}

function parseHook(value: unknown): HookConfig {
  const foreign = Object.keys(Object(value)).find((member) => !MEMBERS.includes(member));
  if (foreign !== undefined) throw new Error(`a hook has the members ${MEMBERS.join(', ')}, got ${foreign}`);
  const memberOf = (member: string): unknown => Reflect.get(Object(value), member);
  const [pattern, handler, timeoutMs = USUAL_HOOK_MS] = MEMBERS.map(memberOf);
  if (typeof pattern !== 'string' || !isPattern(pattern))
    throw new Error('its pattern must be the name of a channel, a name followed by /*, or *');
  const functionArn: unknown = Construct.isConstruct(handler)
    ? Reflect.get(handler, 'functionArn')
    : undefined;
  if (typeof functionArn !== 'string') throw new Error('its handler must be a function of Lambda');
  if (!Number.isInteger(timeoutMs) || Number(timeoutMs) < MIN_HOOK_MS || Number(timeoutMs) > MAX_HOOK_MS)
    throw new Error(`its timeoutMs must be a whole number from ${MIN_HOOK_MS} to ${MAX_HOOK_MS}`);
  return { pattern, functionArn, timeoutMs: Number(timeoutMs) };
}

/** Returns true if every channel of the second pattern is one of the first. */
const covers = (wide: string, narrow: string): boolean =>
  wide === narrow ||
  patternsOf(narrow.replace(/\/?\*$/, '')).some((one) => one === wide && one.endsWith('*'));
