/**
 * The environment of each function: one definition of its names and values, for the side that writes them (lib/), the side
 * that reads them (the handlers), and the template test that compares the two. Imports nothing.
 * @module
 */

/** The reader of one variable. */
interface Format<T> {
  /** The allowed values, for the message of an error. */
  readonly allowed: string;
  /** Returns the value, or undefined if the text is not allowed. */
  readonly parse: (text: string) => T | undefined;
}

type Formats = Readonly<Record<string, Format<unknown>>>;
type Values<F extends Formats> = { readonly [K in keyof F]: Exclude<ReturnType<F[K]['parse']>, undefined> };

const text: Format<string> = { allowed: 'text', parse: (value) => value };

const oneOf = <T extends string>(...values: readonly T[]): Format<T> => ({
  allowed: values.map((value) => `"${value}"`).join(' or '),
  parse: (value) => values.find((one) => one === value),
});

const flag: Format<boolean> = {
  allowed: '"true" or "false"',
  parse: (value) => (value === 'true' || value === 'false' ? value === 'true' : undefined),
};

/** Number() alone also takes "", " 1", "1e3", "0x10" and "1.5", and makes NaN of other text. */
const wholeNumber = (least: number, most: number): Format<number> => ({
  allowed: `a whole number from ${least} to ${most}`,
  parse: (value) =>
    /^(0|[1-9]\d*)$/.test(value) && Number(value) >= least && Number(value) <= most
      ? Number(value)
      : undefined,
});

/** Variables of an environment that belong together. */
interface Contract<V> {
  /** The names of the variables. */
  readonly names: readonly string[];
  /**
   * Returns the values. A handler calls it once per cold start.
   * @throws Error that names all variables that are missing; or one variable, its value and the allowed values
   */
  readonly read: (source: Readonly<Record<string, string | undefined>>) => V;
  /** Returns the values; undefined if no variable of a part that a hub may lack is set. @throws Error as `read` */
  readonly readIfSet: (source: Readonly<Record<string, string | undefined>>) => V | undefined;
}

interface WritableContract<F extends Formats> extends Contract<Values<F>> {
  /** The readers of the variables, for a contract that includes this one. */
  readonly formats: F;
  /** Returns the variables for the template. Their values are not checked, since CDK knows many of them only later. */
  readonly write: (values: Readonly<Record<keyof F, string>>) => Record<keyof F, string>;
}

const contract = <F extends Formats>(formats: F): WritableContract<F> => {
  const names = Object.keys(formats);
  const read: Contract<Values<F>>['read'] = (source) => {
    const missing = names.filter((name) => !source[name]);
    if (missing.length > 0) throw new Error(`missing environment: ${missing.join(', ')}`);
    const values = Object.entries(formats).map(([name, format]) => [
      name,
      checked(name, source[name], format),
    ]);
    // TypeScript's type of fromEntries has no names; they are those of the formats.
    return Object.fromEntries(values) as Values<F>;
  };
  return {
    formats,
    names,
    write: (values) => values,
    read,
    readIfSet: (source) => (names.some((name) => source[name]) ? read(source) : undefined),
  };
};

function checked(name: string, value = '', { allowed, parse }: Format<unknown>): unknown {
  const parsed = parse(value);
  if (parsed === undefined)
    throw new Error(`environment variable ${name} is "${value}": it must be ${allowed}`);
  return parsed;
}

/*
 * The ranges below are those in which a function works. lib/config/config.ts may allow less, never more
 * (test/infra/template/environment.test.ts).
 */

/** The tables of the log, and its rules. RETENTION_DAYS: 1 to 3,650. */
export const logEnv = contract({
  CHANNELS_TABLE: text,
  ENTRIES_TABLE: text,
  KEYS_TABLE: text,
  RETENTION_DAYS: wholeNumber(1, 3_650),
  CHANNEL_CREATION: oneOf('implicit', 'explicit'),
});

/** The table of snapshots of keyed channels. Only functions that read or write them have it: the environment has little room. */
export const snapshotsEnv = contract({ SNAPSHOTS_TABLE: text });

/** The domain of the AWS services, such as `amazonaws.com`. Every function has it: China and other partitions have another. */
export const awsEnv = contract({ URL_SUFFIX: text });

/** The dimensions of the metrics. Every function has them. */
export const telemetryEnv = contract({ STAGE: text, FUNCTION: text });

/** The rules by which callers are admitted. Two are JSON: ANONYMOUS is a capability; ISSUER is an identity provider or null. */
export const accessEnv = contract({
  TOKEN_SECRET_ARN: text,
  TOKEN_AUDIENCE: text,
  ANONYMOUS: text,
  ISSUER: text,
});

/** The pages that are admitted: ORIGINS is `*`, or exact origins separated by commas. */
export const originsEnv = contract({ ORIGINS: text });

/** The table of subscribers, connections and waiting processes. */
export const listenersEnv = contract({ SUBSCRIBERS_TABLE: text });

/** The members that the hub adds to messages: JSON of pattern to members (protocol/stamp.ts). */
export const stampEnv = contract({ STAMPS: text });

/** The topic of hints. */
export const hintEnv = contract({ HINTS_TOPIC_ARN: text });

/** The queue of the push, which takes jobs. */
export const jobEnv = contract({ PUSH_QUEUE_URL: text });

/**
 * The table of cursors, and the API that posts to sockets. POSTS_IN_FLIGHT: posts at a time, fewer than the 1,024 files that an
 * environment may have open. POSTS_PER_SECOND: the most posts in a second.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */
export const pushEnv = contract({
  CURSORS_TABLE: text,
  SOCKET_ENDPOINT: text,
  POSTS_IN_FLIGHT: wholeNumber(1, 1_000),
  POSTS_PER_SECOND: wholeNumber(1, 1_000_000),
});

/** The API that ends connections. */
export const endsEnv = contract({ SOCKET_ENDPOINT: text });

/** The most connections of a caller. API Gateway holds 500 a second for two hours: 3,600,000. */
export const connectionsEnv = contract({ CONNECTIONS_PER_CALLER: wholeNumber(1, 3_600_000) });

/** The most requests of a caller that are held at a time. 0: callers are not counted. */
export const heldEnv = contract({ HELD_PER_CALLER: wholeNumber(0, 1_000_000) });

/** The URL of the WebSocket API, by which held requests are woken. */
export const wakeEnv = contract({ SOCKET_URL: text });

/** The secret of the front door, which its requests have in a header. Only a hub with a domain or a web ACL of its own has it. */
export const doorEnv = contract({ DOOR: text });

/** The URLs that the console connects to: `self` behind the front door, where all have the host of the page. */
export const consoleEnv = contract({ SOCKET_URL: text, STREAM_URL: text });

/** The longest time for which a long poll is held, in seconds. The gateway gives up after 30. */
export const holdEnv = contract({ HOLD_SECONDS: wholeNumber(1, 29) });

/** The lifetime of a stream, in seconds. A function may run for 900. */
export const streamEnv = contract({ STREAM_SECONDS: wholeNumber(1, 900) });

/** The table of endpoints and of the channels that they listen to. */
export const endpointsEnv = contract({ ENDPOINTS_TABLE: text });

/** The table of tasks and deliveries. */
export const deliveriesEnv = contract({ DELIVERIES_TABLE: text });

/** The key that seals the secrets of endpoints. */
export const sealingEnv = contract({ WEBHOOK_KEY_ARN: text });

/** The queue of the deliver function, which takes wakes of endpoints. */
export const endpointWakeEnv = contract({ DELIVERIES_QUEUE_URL: text });

/** INSECURE_WEBHOOKS: true if webhooks may go to this machine and without TLS, for development. */
export const outboundEnv = contract({ INSECURE_WEBHOOKS: flag });

/** The queue of the dispatch function, which takes hints. */
export const dispatchEnv = contract({ DISPATCH_QUEUE_URL: text });

/** The queue of dead letters, and the hosts of the hub itself, separated by commas: the first is its public name. */
export const deliverEnv = contract({ DEAD_LETTERS_URL: text, OWN_HOSTS: text });

/** The queue of the fold, which sends itself what it must look at later. */
export const foldEnv = contract({ FOLD_QUEUE_URL: text });

/** The patterns of the channels that have presence: a list in JSON. A hub without presence has no such variable. */
export const presenceEnv = contract({ PRESENCE: text });

/** The queue of the presence function, which takes looks. */
export const lookEnv = contract({ PRESENCE_QUEUE_URL: text });

/** A handler of the hook: pattern, ARN, and milliseconds. Short, because the environment has little room. */
type HookVariable = readonly [pattern: string, arn: string, timeoutMs: number];

const isHook = (value: unknown): value is HookVariable =>
  Array.isArray(value) && value.map((part) => typeof part).join() === 'string,string,number';

function parseHooks(value: string): readonly HookVariable[] | undefined {
  const list: unknown = JSON.parse(value);
  return Array.isArray(list) && list.every(isHook) ? list : undefined;
}

/** The functions that are asked about publishes: a list in JSON. A hub without a hook has no such variable. */
export const hooksEnv = contract({
  HOOKS: { allowed: 'a JSON list of [pattern, ARN, milliseconds]', parse: parseHooks },
});

/** The variables of a handler that answers who is in a channel. */
export const rollEnv = contract({ ...presenceEnv.formats, ...listenersEnv.formats });

/** The variables of a handler that publishes for callers: over HTTP (lambda/publish.ts), or over a socket (lambda/socket.ts). */
export const publishingEnv = contract({
  ...logEnv.formats,
  ...accessEnv.formats,
  ...originsEnv.formats,
  ...listenersEnv.formats,
  ...hintEnv.formats,
  ...jobEnv.formats,
  ...dispatchEnv.formats,
  ...stampEnv.formats,
});

/** The variables of a handler that holds requests: long polls (lambda/hold.ts) or streams (lambda/stream.ts). */
export const waitingEnv = contract({
  ...logEnv.formats,
  ...accessEnv.formats,
  ...originsEnv.formats,
  ...listenersEnv.formats,
  ...wakeEnv.formats,
  ...heldEnv.formats,
  ...snapshotsEnv.formats,
});

const every: readonly Contract<unknown>[] = [awsEnv, telemetryEnv];
const webhooks: readonly Contract<unknown>[] = [endpointsEnv, deliveriesEnv, endpointWakeEnv];

/** The environment of each handler, for the template tests. */
export const handlerContracts: Readonly<Record<string, readonly Contract<unknown>[]>> = {
  Publish: [...every, publishingEnv],
  Read: [...every, logEnv, snapshotsEnv, accessEnv, originsEnv],
  Hold: [...every, waitingEnv, holdEnv],
  Stream: [...every, waitingEnv, streamEnv],
  Socket: [...every, publishingEnv, connectionsEnv, endsEnv],
  Webhooks: [...every, logEnv, accessEnv, originsEnv, ...webhooks, sealingEnv, outboundEnv],
  Dispatch: [...every, logEnv, ...webhooks, hintEnv, jobEnv, dispatchEnv],
  Deliver: [...every, logEnv, ...webhooks, sealingEnv, dispatchEnv, outboundEnv, deliverEnv],
  Push: [...every, logEnv, snapshotsEnv, listenersEnv, hintEnv, jobEnv, pushEnv],
  Fold: [...every, logEnv, snapshotsEnv, foldEnv],
  Console: [...every, consoleEnv],
};

/** The queue of dead letters of the intake. */
export const intakeEnv = contract({ INTAKE_DEAD_LETTERS_URL: text });

/** The variables of the handler that publishes what comes by the intake queue. Only a hub with an intake has this handler. */
export const intakeContracts: Readonly<Record<string, readonly Contract<unknown>[]>> = {
  Intake: [...every, logEnv, hintEnv, jobEnv, dispatchEnv, stampEnv, intakeEnv],
};

const noting: readonly Contract<unknown>[] = [presenceEnv, lookEnv];

/** What the handlers of a hub with presence have beside those of `handlerContracts`. */
export const presenceContracts: Readonly<Record<string, readonly Contract<unknown>[]>> = {
  Read: [rollEnv],
  Hold: noting,
  Stream: noting,
  Socket: noting,
  Push: noting,
  Presence: [...every, logEnv, snapshotsEnv, listenersEnv, hintEnv, jobEnv, dispatchEnv, lookEnv],
};

/** The names of the environment of each handler. */
export const handlerNames: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(handlerContracts).map(([handler, contracts]) => [
    handler,
    contracts.flatMap(({ names }) => names),
  ]),
);
