/**
 * Faults on demand: an error, a delay, a broken connection or a kill at a chosen call. With kills before and after every call,
 * a test can stop a function at each of its awaits.
 * @module
 */
import { isObject, type JsonObject, numberOr, requireString } from '../template/json.ts';

/** The effect of a fault. */
export type Effect =
  /** Kills the process that calls. */
  | { readonly kind: 'kill' }
  /** Breaks the connection of the call. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'error'; readonly status: number; readonly type: string; readonly message: string }
  | { readonly kind: 'delay'; readonly delayMs: number };

/** The moment at which a fault takes effect: before or after an AWS call, when a process receives an invocation, or when it posts its response. */
export type Moment = 'before' | 'after' | 'invoke' | 'response';

interface Fault {
  /** Part of the construct path. */
  readonly function: string;
  readonly action: string | undefined;
  /** Part of the ARN. */
  readonly resource: string | undefined;
  readonly at: Moment;
  readonly effect: Effect;
  /** Number of matching calls before the first one that the fault hits. */
  skip: number;
  /** Number of matching calls that the fault hits. */
  times: number;
}

/** The faults that tests have added. */
export interface Faults {
  /**
   * Adds the fault of a request body.
   * @throws Error with one sentence if the body describes no fault
   */
  add(body: unknown): void;
  /** Removes all faults. */
  clear(): void;
  /** Returns the effect on this call, if any. Counts the call, so the caller must ask once for each call and moment. */
  effectOn(functionPath: string, at: Moment, call?: AwsCall): Effect | undefined;
}

/** The parts of an AWS call by which a fault selects it. */
export interface AwsCall {
  /** As in a policy: `dynamodb:PutItem`. */
  readonly action: string;
  /** ARNs. */
  readonly resources: readonly string[];
}

function matches({ action, resource }: Fault, call: AwsCall | undefined): boolean {
  if (action !== undefined && action !== call?.action) return false;
  return resource === undefined || (call?.resources.some((arn) => arn.includes(resource)) ?? false);
}

const FIELDS = new Set(['function', 'action', 'resource', 'call', 'at', 'effect', 'times']);
const MOMENTS: readonly Moment[] = ['before', 'after', 'invoke', 'response'];

/** Returns an empty list of faults. */
export function createFaults(): Faults {
  let faults: Fault[] = [];
  return {
    add: (body) => {
      faults.push(parseFault(body));
    },
    clear: () => {
      faults = [];
    },
    effectOn(functionPath, at, call) {
      let hit: Effect | undefined;
      for (const fault of faults) {
        if (fault.at !== at || !functionPath.includes(fault.function) || !matches(fault, call)) continue;
        if (fault.skip > 0) fault.skip -= 1;
        else if (hit === undefined && fault.times > 0) {
          fault.times -= 1;
          hit = fault.effect;
        }
      }
      faults = faults.filter(({ times }) => times > 0);
      return hit;
    },
  };
}

function parseFault(body: unknown): Fault {
  if (!isObject(body)) throw new Error(`a fault must be an object, got ${JSON.stringify(body)}`);
  const unknown = Object.keys(body).find((field) => !FIELDS.has(field));
  if (unknown !== undefined)
    throw new Error(`a fault has no field ${unknown}, only ${[...FIELDS].join(', ')}`);
  const at = MOMENTS.find((moment) => moment === body.at);
  if (at === undefined)
    throw new Error(`"at" must be one of ${MOMENTS.join(', ')}, got ${JSON.stringify(body.at)}`);
  const effect = parseEffect(body.effect);
  if ((at === 'invoke' || at === 'response') && effect.kind !== 'kill') {
    throw new Error(`at "${at}" the only effect is "kill", got ${JSON.stringify(body.effect)}`);
  }
  const call = numberOr(body.call, 1, '"call"');
  const times = numberOr(body.times, 1, '"times"');
  if (call < 1 || times < 1) throw new Error(`"call" and "times" start at 1, got ${call} and ${times}`);
  return {
    function: requireString(body.function, '"function"'),
    action: body.action === undefined ? undefined : requireString(body.action, '"action"'),
    resource: body.resource === undefined ? undefined : requireString(body.resource, '"resource"'),
    at,
    effect,
    skip: call - 1,
    times,
  };
}

function parseEffect(effect: unknown): Effect {
  if (effect === 'kill' || effect === 'reset') return { kind: effect };
  if (isObject(effect) && effect.delayMs !== undefined) {
    return { kind: 'delay', delayMs: numberOr(effect.delayMs, 0, '"delayMs"') };
  }
  if (isObject(effect) && effect.status !== undefined) return parseError(effect);
  throw new Error(
    `"effect" must be "kill", "reset", {"status","type","message"} or {"delayMs"}, got ${JSON.stringify(effect)}`,
  );
}

function parseError(effect: JsonObject): Effect {
  const type = requireString(effect.type, '"type"');
  const message = effect.message === undefined ? type : requireString(effect.message, '"message"');
  return { kind: 'error', status: numberOr(effect.status, 400, '"status"'), type, message };
}
