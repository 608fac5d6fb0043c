/**
 * The handler of the console (PROTOCOL.md §10.1): one page and its files, which are part of the bundle. It calls nothing.
 * @module
 */
import { logDefect, logRefusal, watched } from './aws/telemetry/telemetry.ts';
import { consoleEnv, doorEnv, telemetryEnv } from './env.ts';
import { type ConsolePage, consoleHandler } from './http/answer-console.ts';
import { behindDoor } from './http/door.ts';

/** The bundler replaces this name by the page (lib/functions/bundle/bundle.ts). */
declare const CONSOLE_PAGE: ConsolePage;

const { SOCKET_URL, STREAM_URL } = consoleEnv.read(process.env);

const answer = consoleHandler({
  page: CONSOLE_PAGE,
  socketUrl: SOCKET_URL,
  streamUrl: STREAM_URL,
  logDefect,
  logRefusal,
});

/** Answers one request below /console. */
export const handler = watched(
  telemetryEnv.read(process.env),
  behindDoor(doorEnv.readIfSet(process.env)?.DOOR, logRefusal, answer),
);
