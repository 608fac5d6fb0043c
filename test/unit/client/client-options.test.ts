/**
 * What `connect` refuses at once, and what it accepts.
 * @module
 */
import { expect, test } from 'vitest';
import { connect } from '../../../client/index.ts';
import { settingsOf } from '../../../client/options.ts';

/** Calls as JavaScript code may, without types. */
const untyped = (options: unknown): unknown => Reflect.apply(connect, undefined, [options]);

test.each([
  ['127.0.0.1:8787', /url must begin with https:\/\/ or http:\/\//],
  ['localhost:8787', /url must begin/],
  ['hub.example', /url must begin/],
  ['', /url must begin/],
  ['wss://hub.example', /url must begin/],
  ['ftp://user:secret@hub.example', /got "ftp:\/\/…@hub.example"/],
  [undefined, /url must begin/],
  ['https://user:secret@hub.example', /no user name/],
  ['https://hub.example/?token=x', /query/],
  ['https://hub.example/#here', /fragment/],
])('the url %j', (url, message) => {
  expect(() => untyped({ url })).toThrow(TypeError);
  expect(() => untyped({ url })).toThrow(message);
});

test.each([
  [{ socketUrl: 'https://hub.example/ws' }, /socketUrl must begin with wss:\/\/ or ws:\/\//],
  [{ socketUrl: 'hub.example' }, /socketUrl/],
  [{ streamUrl: 'streams.example' }, /streamUrl must begin with https/],
  [{ transports: ['sockets'] }, /transports has "sockets"/],
  [{ transports: [] }, /transports is empty, it must have at least one of websocket/],
  [{ token: 7 }, /a token must be text, got number/],
  [{ token: null }, /a token must be text/],
])('the option %j', (options, message) => {
  expect(() => untyped({ url: 'https://hub.example', ...options })).toThrow(message);
});

test.each([
  ['https://hub.example', 'https://hub.example', 'wss://hub.example/ws'],
  ['https://hub.example///', 'https://hub.example', 'wss://hub.example/ws'],
  ['HTTP://Hub.Example:8787/', 'http://hub.example:8787', 'ws://hub.example:8787/ws'],
  [' https://hub.example/dev/ ', 'https://hub.example/dev', 'wss://hub.example/dev/ws'],
  ['http://[::1]:8787', 'http://[::1]:8787', 'ws://[::1]:8787/ws'],
])('%j is accepted', (url, normal, socketUrl) => {
  expect(settingsOf({ url })).toMatchObject({ url: normal, socketUrl, streamUrl: normal });
});
