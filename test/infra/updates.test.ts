/**
 * What changing an option does to a hub that is deployed: nothing that holds data or an address goes without a word.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Fields } from '../../protocol/fields.ts';
import { stackOf } from '../../scripts/doctor/assembly.ts';
import { checkUpdate } from '../../scripts/doctor/checks/update.ts';
import type { DeployedStack } from '../../scripts/doctor/deployed.ts';
import type { Finding } from '../../scripts/doctor/finding.ts';
import { type Context, templatesOf } from './synthesized.ts';

const cdk: { context: Record<string, unknown> } = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../../cdk.json'), 'utf8'),
);

const issuer = {
  issuer: 'https://id.example.com',
  issuerAudience: 'hub',
  claims: { claim: 'scope', grants: { admin: { '*': ['publish'] } } },
};

/** Another value of each option, and what goes with it so that the template takes it. */
const CHANGES: Readonly<Record<string, Context>> = {
  channelCreation: { channelCreation: 'explicit' },
  anonymous: { anonymous: { 'public/*': ['subscribe'] } },
  issuer,
  issuerAudience: { ...issuer, issuerAudience: 'other' },
  jwksUrl: { ...issuer, jwksUrl: 'https://id.example.com/keys' },
  claims: { ...issuer, claims: { claim: 'role', grants: { reader: { '*': ['subscribe'] } } } },
  origins: { origins: 'https://app.example.com' },
  retentionDays: { retentionDays: 30 },
  logRetentionDays: { logRetentionDays: 7 },
  holdSeconds: { holdSeconds: 10 },
  streamSeconds: { streamSeconds: 120 },
  edge: { edge: false },
  maxHolds: { maxHolds: 50 },
  maxStreams: { maxStreams: 50 },
  socketLogs: { socketLogs: true },
  maxPushes: { maxPushes: 10 },
  postsInFlight: { postsInFlight: 10 },
  postsPerSecond: { postsPerSecond: 10 },
  maxDeliveries: { maxDeliveries: 10 },
  connectionsPerCaller: { connectionsPerCaller: 2_000 },
  heldPerCaller: { heldPerCaller: 10 },
  requestsPerSecond: { requestsPerSecond: 500 },
  publishesPerSecond: { publishesPerSecond: 500 },
  allowInsecureWebhooks: { allowInsecureWebhooks: true },
  monthlyBudget: { monthlyBudget: 10, budgetEmail: 'ann@example.com' },
  budgetEmail: { monthlyBudget: 10, budgetEmail: 'bob@example.com' },
  alarmEmail: { alarmEmail: 'ann@example.com' },
  throwAway: { throwAway: true },
};

/** What the doctor says of the change, by option and direction; of all others it has nothing to say. */
const WORDS: Readonly<Record<string, readonly RegExp[]>> = {
  'edge on': [/^the URL of streams answers only to the new front door: clients of it get 403$/],
  'edge off': [
    /^AWS::CloudFront::Distribution \w+ of tidings-dev-hub is deleted: its URL changes, and clients of the old one fail$/,
  ],
  'alarmEmail off': [
    /^AWS::SNS::Topic \w+ of tidings-dev-hub is deleted: what subscribes to it from outside hears nothing more$/,
  ],
  'throwAway on': [/^7 tables and keys of tidings-dev-log lose their protection/],
};

const named = (values: Context): Context =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`tidings:${key}`, value]));

const stacksOf = (values: Context) => {
  const { log, hub } = templatesOf(named(values));
  const stack = (name: string, template: Fields) => stackOf(`tidings-dev-${name}`, template);
  return [stack('log', log.toJSON()), stack('hub', hub.toJSON())];
};

const defaults = stacksOf({});

async function wordsOf(from: typeof defaults, to: typeof defaults): Promise<readonly Finding[]> {
  const state = { status: 'CREATE_COMPLETE', isLive: true, isProtected: true, outputs: {}, reason: '' };
  const deployed: readonly DeployedStack[] = from.map((stack) => ({ ...stack, ...state }));
  const assembly = { stacks: to, bootstrap: { version: 6, parameter: '' } };
  const found = await checkUpdate({ who: { account: '', arn: '', region: 'eu-west-1' }, assembly, deployed });
  return found.filter(({ verdict }) => verdict !== 'fine');
}

describe.each(Object.entries(CHANGES))('tidings:%s', (key, values) => {
  const changed = stacksOf(values);
  // Where the default is true, the change is that it is off.
  const isOff = values[key] === false;
  test.each([
    [isOff ? 'off' : 'on', defaults, changed],
    [isOff ? 'on' : 'off', changed, defaults],
  ] as const)('%s', async (direction, from, to) => {
    const said = (await wordsOf(from, to)).map(({ says }) => says);
    const expected = WORDS[`${key} ${direction}`] ?? [];
    expect(said).toEqual(expected.map((words) => expect.stringMatching(words)));
  });
});

test('every option is changed here, except the stage, which names another hub', () => {
  const options = Object.keys(cdk.context).flatMap((key) => /^tidings:(.*)$/.exec(key)?.[1] ?? []);
  expect(Object.keys(CHANGES).sort()).toEqual(options.filter((option) => option !== 'stage').sort());
});
