/**
 * The door of Server-Sent Events, over Lambda response streaming (PROTOCOL.md §5.2).
 * @module
 */
import { accessInAws } from './aws/access.ts';
import { holdInAws } from './aws/hold.ts';
import { count, logDefect, logRefusal, watching } from './aws/telemetry.ts';
import { accessEnv, listenersEnv, logEnv, streamEnv, telemetryEnv, wakeEnv } from './env.ts';
import { streamAnswers } from './http/follow.ts';
import { streamHandler } from './http/stream.ts';

const hold = holdInAws({
  ...logEnv.read(process.env),
  ...accessEnv.read(process.env),
  ...listenersEnv.read(process.env),
  ...wakeEnv.read(process.env),
});
const { STREAM_SECONDS, TOKEN_HEADER } = streamEnv.read(process.env);
const access = accessInAws(accessEnv.read(process.env), TOKEN_HEADER);
const { channel, events } = streamAnswers({
  hold,
  access,
  lifetimeMs: Number(STREAM_SECONDS) * 1_000,
  random: Math.random,
  logDefect,
  logRefusal,
  delivered: (messages) => count('Delivered', messages),
});

export const handler = streamHandler(
  { access, logDefect, logRefusal, routes: { GET: { operation: 'subscribe', answer: channel } }, events },
  watching(telemetryEnv.read(process.env)),
);
