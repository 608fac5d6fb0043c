/**
 * The environment of each function: one definition of its names, for the side that writes them (lib/), the side that
 * reads them (the doors), and the template test that compares the two. Imports nothing.
 * @module
 */

/** One function's environment. `read` runs once per cold start and throws a sentence that names what is missing. */
const contract = <K extends string>(...names: readonly K[]) => ({
  names,
  write: (values: Record<K, string>): Record<K, string> => values,
  read(source: Readonly<Record<string, string | undefined>>): Record<K, string> {
    const missing = names.filter((name) => !source[name]);
    if (missing.length > 0) throw new Error(`missing environment: ${missing.join(', ')}`);
    // What was found for each of the names: fromEntries has forgotten which they are.
    return Object.fromEntries(names.map((name) => [name, source[name]])) as Record<K, string>;
  },
});

/** Where the log is. Both doors over the log have it. */
export const logEnv = contract(
  'CHANNELS_TABLE',
  'ENTRIES_TABLE',
  'KEYS_TABLE',
  'RETENTION_DAYS',
  'CHANNEL_CREATION',
);

/** Whose metrics they are. Every function has it. */
export const telemetryEnv = contract('STAGE', 'FUNCTION');

/** Whom to let in. Every door has it. In JSON: ANONYMOUS, a capability; ISSUER, an identity provider or null. */
export const accessEnv = contract('TOKEN_SECRET_ARN', 'TOKEN_AUDIENCE', 'ANONYMOUS', 'ISSUER');

/** Which pages to let in: ORIGINS is `*`, or exact origins joined by commas. */
export const originsEnv = contract('ORIGINS');

/** Where everyone who listens is noted. */
export const listenersEnv = contract('SUBSCRIBERS_TABLE');

/** Where to say that a channel has grown. */
export const hintEnv = contract('HINTS_TOPIC_ARN');

/** Where work for the push is left. */
export const jobEnv = contract('PUSH_QUEUE_URL');

/** How far was pushed, and how to post to sockets: POSTS_IN_FLIGHT at a time, POSTS_PER_SECOND at the most. */
export const pushEnv = contract('CURSORS_TABLE', 'SOCKET_ENDPOINT', 'POSTS_IN_FLIGHT', 'POSTS_PER_SECOND');

/** How to end connections. */
export const endsEnv = contract('SOCKET_ENDPOINT');

/** How many connections a caller may have. */
export const connectionsEnv = contract('CONNECTIONS_PER_CALLER');

/** How many requests of a caller are held at a time; 0: as many as there is room for. */
export const heldEnv = contract('HELD_PER_CALLER');

/** The hub's own socket, by which held reads are woken. */
export const wakeEnv = contract('SOCKET_URL');

/** How long a long poll is held. */
export const holdEnv = contract('HOLD_SECONDS');

/** How long a stream lives. */
export const streamEnv = contract('STREAM_SECONDS');

/** Where endpoints are kept, and who listens by which pattern. */
export const endpointsEnv = contract('ENDPOINTS_TABLE');

/** Where the errands and the deliveries of endpoints are kept. */
export const deliveriesEnv = contract('DELIVERIES_TABLE');

/** The key that secrets of endpoints are sealed with. */
export const sealingEnv = contract('WEBHOOK_KEY_ARN');

/** Where to say that an endpoint is to be served. */
export const endpointWakeEnv = contract('DELIVERIES_QUEUE_URL');

/** INSECURE_WEBHOOKS: `true` to call this machine, too, and without TLS, as a developer does; else `false`. */
export const outboundEnv = contract('INSECURE_WEBHOOKS');

/** Where work for dispatch is left. */
export const dispatchEnv = contract('DISPATCH_QUEUE_URL');

/** Where deliveries end that failed, and the hosts of the hub itself (joined by commas, the one it is known by first). */
export const deliverEnv = contract('DEAD_LETTERS_URL', 'OWN_HOSTS');

const every = [...logEnv.names, ...telemetryEnv.names];
const common = [...every, ...accessEnv.names, ...originsEnv.names];
/** The topic, and the queues that take hints when it is busy. */
const hints = [...hintEnv.names, ...jobEnv.names, ...dispatchEnv.names];

/** The environment of each door, for the template test. */
export const handlerNames: Readonly<Record<string, readonly string[]>> = {
  Publish: [...common, ...hints, ...listenersEnv.names],
  Read: common,
  Hold: [...common, ...listenersEnv.names, ...wakeEnv.names, ...heldEnv.names, ...holdEnv.names],
  Stream: [...common, ...listenersEnv.names, ...wakeEnv.names, ...heldEnv.names, ...streamEnv.names],
  Socket: [...common, ...hints, ...listenersEnv.names, ...connectionsEnv.names, ...endsEnv.names],
  Webhooks: [
    ...common,
    ...endpointsEnv.names,
    ...deliveriesEnv.names,
    ...sealingEnv.names,
    ...endpointWakeEnv.names,
    ...outboundEnv.names,
  ],
  Dispatch: [...every, ...hints, ...endpointsEnv.names, ...deliveriesEnv.names, ...endpointWakeEnv.names],
  Deliver: [
    ...every,
    ...endpointsEnv.names,
    ...deliveriesEnv.names,
    ...sealingEnv.names,
    ...endpointWakeEnv.names,
    ...dispatchEnv.names,
    ...outboundEnv.names,
    ...deliverEnv.names,
  ],
  Push: [...every, ...listenersEnv.names, ...hintEnv.names, ...jobEnv.names, ...pushEnv.names],
};
