/**
 * Log lines and metrics of a process that serves one or several requests at a time.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseOrigins } from '../../../lambda/access/origins.ts';
import {
  count,
  logDefect,
  logGivenUp,
  logRefusal,
  watching,
} from '../../../lambda/aws/telemetry/telemetry.ts';
import { channelRoutes } from '../../../lambda/http/channel-routes.ts';
import { httpHandler } from '../../../lambda/http/http-handler.ts';
import { Refusal } from '../../../protocol/errors.ts';

const SETTINGS = { STAGE: 'dev', FUNCTION: 'Publish' };
const contextOf = (awsRequestId: string) => ({ awsRequestId });

let written: string[];
beforeEach(() => {
  written = [];
  const keep = (text: unknown): boolean => written.push(String(text)) > 0;
  vi.spyOn(process.stdout, 'write').mockImplementation(keep);
  vi.spyOn(process.stderr, 'write').mockImplementation(keep);
});
afterEach(() => vi.restoreAllMocks());

/** The lines of the log without those of metrics. */
const logged = () => written.map((line) => JSON.parse(line)).filter((line) => !('_aws' in line));
const measured = () => written.map((line) => JSON.parse(line)).filter((line) => '_aws' in line);

/** Releases all that wait for it at the same moment. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { wait: () => promise, open: resolve };
}

describe('lines of requests that are served at the same time', () => {
  test('have the id of their own request, also after waits and after other requests have begun', async () => {
    const during = watching(SETTINGS);
    const { wait, open } = gate();
    const serve = (id: string) =>
      during(contextOf(id), async () => {
        logDefect(new Error('early'), { is: id });
        await wait();
        logDefect(new Error('late'), { is: id });
        await new Promise((resolve) => setImmediate(resolve));
        logGivenUp({ is: id });
      });
    const all = ['a', 'b', 'c'].map(serve);
    open();
    await Promise.all(all);
    const lines = logged();
    expect(lines).toHaveLength(9);
    for (const { is, function_request_id } of lines) expect(function_request_id).toBe(is);
  });

  test('have no id of a request that has ended', async () => {
    await watching(SETTINGS)(contextOf('a'), async () => {});
    logDefect(new Error('between requests'), {});
    expect(logged()).toMatchObject([{ level: 'ERROR', message: 'request failed' }]);
    expect(logged()[0]).not.toHaveProperty('function_request_id');
    // Written with the next request, so that it is not lost.
    await watching(SETTINGS)(contextOf('b'), async () => {});
    expect(measured()).toMatchObject([{ Defects: 1 }]);
  });
});

describe('metrics', () => {
  test('are one line when the last request ends, with the counts of all', async () => {
    const during = watching(SETTINGS, undefined, () => 0);
    const { wait, open } = gate();
    const first = during(contextOf('a'), async () => {
      count('Published', 1);
      await wait();
    });
    await during(contextOf('b'), async () => count('Published', 2));
    expect(measured()).toEqual([]);
    open();
    await first;
    expect(measured()).toMatchObject([{ Stage: 'dev', Function: 'Publish', Published: 3 }]);
  });

  test('are at most one line a second while requests are running', async () => {
    let now = 0;
    const lines: number[] = [];
    const write = (line: string): void => void lines.push(JSON.parse(line).Published);
    const during = watching(SETTINGS, write, () => now);
    const { wait, open } = gate();
    const holding = during(contextOf('a'), wait);
    for (now = 0; now < 3_000; now += 100) await during(contextOf('b'), async () => count('Published', 1));
    // Each second ends with the request that ends in it.
    expect(lines).toEqual([11, 10]);
    open();
    await holding;
    expect(lines).toEqual([11, 10, 9]);
  });

  test('are written also for a request that fails', async () => {
    const during = watching(SETTINGS);
    const fails = during(contextOf('a'), async () => {
      logDefect(new Error('no'), {});
      throw new Error('no');
    });
    await expect(fails).rejects.toThrow('no');
    expect(measured()).toMatchObject([{ Defects: 1 }]);
  });
});

describe('a refusal', () => {
  test('is counted by its kind, and logged only if the operator must see it', async () => {
    await watching(SETTINGS)(contextOf('a'), async () => {
      for (const code of ['forbidden', 'unauthorized', 'bad_json'] as const)
        logRefusal(new Refusal(code, 'no'), { path: '/channels/a' });
      logRefusal(new Refusal('unavailable', 'the store is busy; retry'), { path: '/channels/a' });
    });
    expect(logged()).toMatchObject([
      { level: 'WARN', code: 'unavailable', path: '/channels/a', function_request_id: 'a' },
    ]);
    expect(measured()).toMatchObject([{ RefusedAccess: 2, RefusedRequests: 1, Unavailable: 1 }]);
  });

  test('has one line a second, with the number of those before it that have none; all are counted', async () => {
    const start = Date.now() + 60_000;
    await watching(SETTINGS)(contextOf('a'), async () => {
      for (let ms = 0; ms < 3_000; ms += 10)
        logRefusal(new Refusal('unavailable', 'busy'), { channel: String(ms) }, start + ms);
      // A clock that is set back by an hour is no reason to be silent for an hour.
      logRefusal(new Refusal('unavailable', 'busy'), { channel: 'back' }, start - 3_600_000);
    });
    expect(logged().map(({ channel, unlogged }) => [channel, unlogged])).toEqual([
      ['0', undefined],
      ['1000', 99],
      ['2000', 99],
      ['back', 99],
    ]);
    expect(measured()).toMatchObject([{ Unavailable: 301 }]);
  });

  test('is not a defect in work without a caller', async () => {
    await watching(SETTINGS)(contextOf('a'), async () =>
      logDefect(new Refusal('unavailable', 'busy'), { channel: 'a' }),
    );
    expect(measured()).toMatchObject([{ Unavailable: 1 }]);
    expect(measured()[0]).not.toHaveProperty('Defects');
  });
});

test('a line about a request has neither its token, nor its query, nor its body', async () => {
  const routes = channelRoutes({
    access: {
      isOpen: false,
      identify: async () => {
        throw new Error('the keys cannot be had');
      },
      verify: () => Promise.reject(new Error('no')),
      require: () => {},
      may: () => false,
      mayAnywhere: () => false,
      isPublic: () => false,
    },
    origins: parseOrigins('*'),
    logDefect,
    logRefusal,
    routes: { POST: { operation: 'publish', parameters: [], answer: async () => new Response() } },
  });
  const handler = httpHandler(routes);
  await watching(SETTINGS)(contextOf('a'), () =>
    handler({
      version: '2.0',
      rawPath: '/channels/chat/room1',
      rawQueryString: '_=s3cret-note',
      headers: { authorization: 'Bearer s3cret-token' },
      body: 's3cret-message',
      isBase64Encoded: false,
      requestContext: { domainName: 'hub.example', http: { method: 'POST' } },
    }),
  );
  expect(logged()).toMatchObject([
    { method: 'POST', path: '/channels/chat/room1', function_request_id: 'a', error: { name: 'Error' } },
  ]);
  expect(written.join()).not.toContain('s3cret');
});
