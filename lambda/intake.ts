/**
 * The handler of the intake: publishes what functions and services of the account send to its queue (PROTOCOL.md §15).
 * @module
 */
import { Refusal } from '../protocol/errors.ts';
import { MAX_HOOK_MS } from '../protocol/limits.ts';
import { membersFor, parseStamps } from '../protocol/stamp.ts';
import { isOwnChannel } from '../protocol/webhooks.ts';
import { hooksInAws } from './aws/compose-hooks.ts';
import { publishingInLog } from './aws/compose-log.ts';
import { intakeHandler, membersOf, refusalsBySqs } from './aws/queues/intake-handler.ts';
import { count, logDefect, logRefusal, watched } from './aws/telemetry/telemetry.ts';
import { dispatchEnv, hintEnv, intakeEnv, jobEnv, logEnv, stampEnv, telemetryEnv } from './env.ts';
import { fingerprintOf } from './http/parse-channel.ts';
import { hookFor } from './hub/hook.ts';
import { appendOnce } from './hub/log/idempotency-key.ts';
import { publishOf } from './ws/parse-frame.ts';

const { env } = process;
const log = publishingInLog({
  ...logEnv.read(env),
  ...hintEnv.read(env),
  ...jobEnv.read(env),
  ...dispatchEnv.read(env),
});
const stamps = parseStamps(JSON.parse(stampEnv.read(env).STAMPS));
const handlers = hooksInAws(env);
const toDeadLetters = refusalsBySqs(intakeEnv.read(env).INTAKE_DEAD_LETTERS_URL);

/** The longest publish, in milliseconds: a claim that waits for 5 s, two writes, a hint; and the time of a hook. */
const LAST_PUBLISH_MS = 10_000 + (handlers.length > 0 ? MAX_HOOK_MS : 0);

const handleBatch = intakeHandler({
  async publish(body, id) {
    const { append, key = id } = publishOf(membersOf(body), body);
    const { channel } = append;
    if (isOwnChannel(channel))
      throw new Refusal('forbidden', 'publish below "tidings/" is for the hub alone');
    // A message of the queue has no token, and so no sub.
    const members = membersFor(stamps, channel);
    const stamp = members && { members, sub: undefined };
    const request = { ...append, stamp, hook: hookFor(handlers, channel, undefined) };
    const done = await appendOnce(log, request, { key, fingerprint: await fingerprintOf(request) });
    count('Published', done.count);
  },
  async refuse(letter) {
    await toDeadLetters(letter);
    logRefusal(letter.refusal, { message: letter.id });
  },
  lastMs: LAST_PUBLISH_MS,
  logDefect,
});

/** Handles one batch of messages of the intake queue. */
export const handler = watched(telemetryEnv.read(env), handleBatch);
