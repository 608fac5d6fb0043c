/**
 * The rules for URLs that need no look-up: which URLs are accepted, and how the others are refused.
 * @module
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isLoopback } from '../../../../lambda/webhook/outbound/public-address.ts';
import { parseTarget, type TargetRules } from '../../../../lambda/webhook/outbound/target.ts';
import { Refusal } from '../../../../protocol/errors.ts';
import { MAX_WEBHOOK_URL_LENGTH } from '../../../../protocol/limits.ts';
import { GOOD, HOSTILE } from '../../../support/network/addresses.ts';

const DEPLOYED: TargetRules = {
  isInsecureAllowed: false,
  ownHosts: ['abc.execute-api.eu-west-1.amazonaws.com'],
};
const LOCAL: TargetRules = { isInsecureAllowed: true, ownHosts: ['127.0.0.1:4321'] };

function refusalOf(url: string, rules = DEPLOYED): Refusal {
  try {
    parseTarget(url, rules);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error(`${url} was taken`);
}

const codeOf = (url: string, rules = DEPLOYED) => refusalOf(url, rules).code;

describe('accepted', () => {
  test.each([
    ['https://example.com', 'https://example.com/'],
    ['https://example.com:443/hooks?a=1&b=%20', 'https://example.com/hooks?a=1&b=%20'],
    ['https://example.com:8443/hooks', 'https://example.com:8443/hooks'],
    ['  HTTPS://EXAMPLE.com/Hooks#part ', 'https://example.com/Hooks'],
    ['https://example.com./hooks', 'https://example.com/hooks'],
    ['https://bücher.example/größe', 'https://xn--bcher-kva.example/gr%C3%B6%C3%9Fe'],
    ['https://example.com\\@127.0.0.1/', 'https://example.com/@127.0.0.1/'],
  ])('%s', (url, canonical) => {
    expect(parseTarget(url, DEPLOYED).href).toBe(canonical);
  });

  test.each(GOOD)('%s: %s', (_what, host) => {
    expect(parseTarget(`https://${host}/`, DEPLOYED).hostname).toBe(host);
  });

  test('up to the largest length', () => {
    const base = 'https://example.com/';
    const url = base + 'a'.repeat(MAX_WEBHOOK_URL_LENGTH - base.length);
    expect(parseTarget(url, DEPLOYED).href).toBe(url);
    expect(codeOf(`${url}a`)).toBe('bad_webhook_url');
    // Escaping makes it too long.
    expect(codeOf(`${url.slice(0, -1)}ä`)).toBe('bad_webhook_url');
  });
});

describe('bad_webhook_url', () => {
  test.each([
    'https://exa mple.com/hook?token=hunter2',
    'https://exa mple.com/hook?token=user@hunter2',
    'https://user:hunter2@exa mple.com/',
    'https://user:pass?hunter2@exa mple.com/',
    'https://user:pass#hunter2@exa mple.com/',
  ])('%s: the refusal does not repeat the secret', (url) => {
    expect(refusalOf(url).message).not.toContain('hunter2');
  });

  test.each([
    ['', 'malformed'],
    ['example.com/hooks', 'malformed'],
    ['https://', 'malformed'],
    ['https://exa mple.com/', 'malformed'],
    ['https://1.2.3.256/', 'malformed'],
    ['https://[fe80::1%25eth0]/', 'malformed'],
    ['https://[::1/', 'malformed'],
    ['https://example.com:99999/', 'malformed'],
    ['http://example.com/', 'the scheme http: allowed is https'],
    ['ftp://example.com/', 'the scheme ftp: allowed is https'],
    ['file:///etc/passwd', 'the scheme file: allowed is https'],
    ['data:text/plain,hello', 'the scheme data: allowed is https'],
    ['https://user@example.com/', 'example.com has a user name or a password'],
    ['https://:hunter2@example.com/', 'example.com has a user name or a password'],
    ['https://example.com:22/', 'the port 22: allowed are 443 and 8443'],
    ['https://example.com:80/', 'the port 80: allowed are 443 and 8443'],
    ['https://127.0.0.1:9001/2018-06-01/runtime/invocation/next', 'the port 9001'],
  ])('%s: %s', (url, sentence) => {
    const { code, message } = refusalOf(url);
    expect(code).toBe('bad_webhook_url');
    expect(message).toContain(sentence);
  });
});

describe('address_not_allowed', () => {
  test.each(HOSTILE)('%s: %s', (_what, host) => {
    expect(codeOf(`https://${host}/`)).toBe('address_not_allowed');
    expect(codeOf(`https://${host}:8443/hooks`)).toBe('address_not_allowed');
  });

  test.each([
    'localhost',
    'LOCALHOST.',
    'hub.localhost',
    'printer.local',
    'metadata.google.internal',
    'ip-10-0-0-1.eu-west-1.compute.internal',
    'router',
    '.',
    '..',
    'a..example',
  ])('the name %s', (name) => {
    expect(codeOf(`https://${name}/`)).toBe('address_not_allowed');
  });

  test.each([
    'https://abc.execute-api.eu-west-1.amazonaws.com/channels/a',
    'https://ABC.Execute-API.eu-west-1.amazonaws.com./channels/a',
    'https://abc.execute-api.eu-west-1.amazonaws.com:8443/',
    'https://%61bc.execute-api.eu-west-1.amazonaws.com/',
  ])('the hub itself: %s', (url) => {
    const { code, message } = refusalOf(url);
    expect(code).toBe('address_not_allowed');
    expect(message).toContain('is the hub itself');
  });

  test('the hub itself, on its own port if it has one', () => {
    const rules = { ...DEPLOYED, ownHosts: ['Hub.Example.com.:8443', 'tidings.example.com:443'] };
    expect(codeOf('https://hub.example.com:8443/', rules)).toBe('address_not_allowed');
    expect(codeOf('https://tidings.example.com/', rules)).toBe('address_not_allowed');
    expect(parseTarget('https://hub.example.com/', rules).port).toBe('');
    expect(parseTarget('https://not-abc.execute-api.eu-west-1.amazonaws.com/', DEPLOYED).port).toBe('');
  });
});

describe('on a local stack', () => {
  test.each([
    'http://127.0.0.1:8080/',
    'http://127.8.9.1/',
    'http://[::1]:9/',
    'http://localhost:3000/hooks',
    'http://app.localhost:3000/hooks',
    'https://localhost/',
    'http://example.com:81/',
  ])('%s is accepted', (url) => {
    expect(parseTarget(url, LOCAL).href).toBe(url);
  });

  test.each(HOSTILE.filter(([, , address]) => !isLoopback(address)))('refused is %s', (_what, host) => {
    expect(codeOf(`http://${host}:8080/`, LOCAL)).toBe('address_not_allowed');
  });

  test.each(['127.0.0.1', '127.0.0.2', 'localhost', 'hub.localhost', '[::1]', '2130706433'])(
    'refused is the hub itself, as %s',
    (host) => {
      expect(refusalOf(`http://${host}:4321/channels/a`, LOCAL).message).toContain('is the hub itself');
      expect(parseTarget(`http://${host}:4322/`, LOCAL).port).toBe('4322');
    },
  );

  test.each(['ftp://localhost/', 'http://user@localhost/'])('%s is as bad as anywhere', (url) => {
    expect(codeOf(url, LOCAL)).toBe('bad_webhook_url');
  });
});

describe('every text', () => {
  test('is accepted in a canonical form, which is accepted again, or refused with a sentence', () => {
    const part = fc.constantFrom(
      'https://',
      'http:',
      '@',
      ':',
      '/',
      '.',
      '127.0.0.1',
      '[::1]',
      'example.com',
      '%',
      '443',
      '#?',
    );
    const url = fc.oneof(
      fc.string(),
      fc.webUrl(),
      fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(url, fc.constantFrom(DEPLOYED, LOCAL), (text, rules) => {
        const parsed = URL.canParse(text) ? text : `https://${text}`;
        try {
          const { href } = parseTarget(parsed, rules);
          expect(parseTarget(href, rules).href).toBe(href);
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
        }
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    'https://user:hunter2@example.com/',
    'https:user:hunter2@127.0.0.1/',
    'https://user:hunter2@[zz]/',
    'https://user:hunter2@exa mple.com/',
    'http://127.0.0.1/?token=hunter2',
    'https://exa mple.com/?token=hunter2',
    `https://hunter2@${'a'.repeat(300)}.example.com:1/`,
  ])('a refusal of %s repeats no password', (url) => {
    const { message } = refusalOf(url);
    expect(message).not.toContain('hunter2');
    expect(message.length).toBeLessThan(220);
    expect(message).toMatch(/^[^A-Z]/);
  });
});
