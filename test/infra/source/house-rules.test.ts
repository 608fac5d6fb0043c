/**
 * Which folder may import which. docs/architecture.md has the same table, with the reasons.
 * @module
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsOf, ROOT } from './imports.ts';

interface Room {
  /** The files of the room. A file belongs to the first room that matches it. */
  readonly files: RegExp;
  /** What its files may import: paths of the project, and packages. */
  readonly may: readonly RegExp[];
}

const node = /^node:/;
const protocol = /^protocol\//;
const client = /^client\//;
const hub = /^lambda\/hub\//;
const webhook = /^lambda\/webhook\/(?!outbound\/)/;
const outbound = /^lambda\/webhook\/outbound\//;
const env = /^lambda\/env\.ts$/;
const cdk = [/^aws-cdk-lib(\/|$)/, /^constructs$/, /^esbuild$/];
const anyPackage = /^(?!(bin|lib|lambda|protocol|local|scripts|bench|client|console|examples|test)\/)/;

const ROOMS: Readonly<Record<string, Room>> = {
  protocol: { files: /^protocol\//, may: [protocol] },
  'client/react': { files: /^client\/react\//, may: [/^client\/(cursor|index)\.ts$/, /^react$/] },
  client: { files: /^client\//, may: [/^client\/(?!react\/)/, protocol] },
  console: {
    files: /^console\//,
    may: [/^console\//, client, protocol, /^bench\/prices\.ts$/, /^preact(\/hooks)?$/, /^uplot$/],
  },
  'lambda/env.ts': { files: /^lambda\/env\.ts$/, may: [] },
  'lambda/hub': { files: /^lambda\/hub\//, may: [protocol, hub] },
  'lambda/access': { files: /^lambda\/access\//, may: [protocol, /^lambda\/access\//, /^jose$/] },
  'lambda/webhook/outbound': {
    files: outbound,
    may: [protocol, webhook, outbound, /^undici$/, node],
  },
  'lambda/webhook': { files: /^lambda\/webhook\//, may: [protocol, hub, webhook] },
  'lambda/http': {
    files: /^lambda\/http\//,
    may: [protocol, hub, webhook, /^lambda\/(http|access)\//, /^hono$/],
  },
  'lambda/aws': {
    files: /^lambda\/aws\//,
    may: [
      protocol,
      env,
      hub,
      webhook,
      /^lambda\/(aws|access)\//,
      /^@aws-lambda-powertools\//,
      /^undici$/,
      node,
    ],
  },
  'lambda/ws': { files: /^lambda\/ws\//, may: [protocol, hub, /^lambda\/(ws|http|access)\//] },
  'lambda handlers': {
    files: /^lambda\/[^/]+\.ts$/,
    may: [protocol, hub, webhook, env, outbound, /^lambda\/(aws|http|ws|access)\//],
  },
  lib: { files: /^lib\//, may: [/^lib\//, protocol, env, node, ...cdk, /^zod$/] },
  bin: { files: /^bin\//, may: [/^lib\//, ...cdk] },
  local: { files: /^local\//, may: [/^local\//, anyPackage] },
  scripts: {
    files: /^scripts\//,
    may: [
      /^scripts\//,
      /^lib\/config\/regions\.ts$/,
      /^local\/(stack|synth|faults\/chaos)\.ts$/,
      /^(bench|client)\//,
      protocol,
      anyPackage,
    ],
  },
  // A URL cannot show how fast one process, or one process for each shard, posts to very many connections.
  'bench/fanout': {
    files: /^bench\/fanout\/(fanout[^/]*|gateway-caller|processes)\.ts$/,
    may: [
      /^bench\//,
      protocol,
      /^lambda\/aws\/sockets\/(socket-poster|connection-slot|sigv4)\.ts$/,
      /^@aws-sdk\/client-apigatewaymanagementapi$/,
      node,
    ],
  },
  'bench/shards': {
    files: /^bench\/fanout\/shards[^/]*\.ts$/,
    may: [
      /^bench\//,
      protocol,
      /^lambda\/hub\/push\/(push-shard|subscribe|push-ports|push-memory)\.ts$/,
      /^lambda\/hub\/log\/(channel|entry|log-ports)\.ts$/,
      /^lambda\/aws\/sockets\/socket-poster\.ts$/,
      node,
    ],
  },
  'bench/burst': { files: /^bench\/burst[^/]*\.ts$/, may: [/^bench\//, client, protocol, /^ws$/, node] },
  // This load shares the cores with the hub, so it must be cheap.
  'bench/load': { files: /^bench\/overload\/load\.ts$/, may: [/^bench\//, /^undici$/, node] },
  bench: { files: /^bench\//, may: [/^bench\//, client, protocol, node] },
  // Examples are copied, so they need nothing of the hub but what `npm run build` ships.
  examples: {
    files: /^examples\//,
    may: [
      /^examples\//,
      /^client\/index\.ts$/,
      /^scripts\/mint\.ts$/,
      /^(hono|ai)(\/|$)/,
      /^preact(\/hooks)?$/,
      /^(esbuild|uplot|standardwebhooks|@hono\/node-server|@durable-streams\/aisdk-transport)$/,
      node,
    ],
  },
  'test/unit': {
    files: /^test\/unit\//,
    may: [
      /^test\/support\//,
      /^lambda\//,
      /^console\/(format|channels\/keyed-values|health\/running-cost|race\/(arrivals|delays|metered-host|race-channel|ways))\.ts$/,
      client,
      protocol,
      anyPackage,
    ],
  },
  'test/contract': {
    files: /^test\/contract\//,
    may: [/^test\/(support|contract)\//, hub, webhook, /^lambda\/aws\//, protocol, anyPackage],
  },
  'test/infra': {
    files: /^test\/infra\//,
    may: [
      /^test\/infra\//,
      /^lambda\/http\/query\.ts$/,
      /^lib\//,
      /^scripts\/doctor\//,
      env,
      protocol,
      anyPackage,
    ],
  },
  // The emulator knows no hub. Its tests synthesize their own apps, once, as the commands do with the hub.
  'test/local': {
    files: /^test\/local\//,
    may: [/^test\/local\//, /^local\//, /^scripts\/hub\/cached-assembly/, anyPackage],
  },
  'test/flow, knowing only a URL': {
    files: /^test\/(flow|conformance)\/.*\.test\.ts$/,
    may: [/^test\/(flow|support)\//, client, protocol, /^scripts\/mint\.ts$/, anyPackage],
  },
  'test/faults': {
    files: /^test\/faults\//,
    may: [
      /^test\/support\//,
      /^scripts\//,
      /^local\/(stack|synth|faults\/chaos)\.ts$/,
      /^bench\/(hop|flood)\.ts$/,
      client,
      anyPackage,
    ],
  },
  'test, starting things': {
    files: /^test\/(flow|conformance|commands)\//,
    may: [/^test\/(support|commands)\//, /^scripts\//, protocol, anyPackage],
  },
  'test/support': {
    files: /^test\/support\//,
    may: [
      /^test\/support\//,
      /^scripts\//,
      hub,
      webhook,
      outbound,
      /^lambda\/(http|access)\//,
      client,
      protocol,
      anyPackage,
    ],
  },
};

const sources = globSync(
  ['{bin,lib,lambda,protocol,local,scripts,bench,client,console,examples,test}/**/*.{ts,tsx,mjs}'],
  {
    cwd: ROOT,
  },
).sort();

const roomOf = (file: string) => Object.entries(ROOMS).find(([, { files }]) => files.test(file));

describe('every import is one that its room allows', () => {
  test.each(Object.keys(ROOMS))('%s', (name) => {
    const wrong = sources
      .filter((file) => roomOf(file)?.[0] === name)
      .flatMap((file) => importsOf(file).map(({ target }) => ({ file, target })))
      .filter(({ target }) => !ROOMS[name]?.may.some((allowed) => allowed.test(target)));
    expect(wrong).toEqual([]);
  });

  test('every file has a room, and the scan finds imports', () => {
    expect(sources.filter((file) => roomOf(file) === undefined)).toEqual([]);
    const targets = (file: string) => importsOf(file).map(({ target }) => target);
    expect(targets('lambda/publish.ts')).toContain('lambda/hub/log/append.ts');
    expect(targets('lambda/http/http-handler.ts')).toContain('hono');
  });
});

test('the domain has no clock, no randomness and no environment of its own', () => {
  const forbidden =
    /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\brandomUUID\b|\bprocess\.\w|\bsetTimeout\(/;
  const impure = sources.filter(
    (file) =>
      (hub.test(file) || webhook.test(file)) && forbidden.test(readFileSync(join(ROOT, file), 'utf8')),
  );
  expect(impure).toEqual([]);
});

/** Reads the variables of Lambda itself, as an SDK does. */
const RUNTIME = 'lambda/aws/calls/lambda-environment.ts';

test('only handlers and scripts read the environment of the process', () => {
  const readers = sources.filter(
    (file) =>
      /^(lambda|lib|protocol)\//.test(file) && /process\.env/.test(readFileSync(join(ROOT, file), 'utf8')),
  );
  expect(readers.filter((file) => !/^lambda\/[^/]+\.ts$/.test(file))).toEqual([RUNTIME]);
});
