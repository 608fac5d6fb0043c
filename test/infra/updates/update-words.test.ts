/**
 * The findings of the doctor for a change of an option. updates.test.ts shows that no other option replaces anything.
 */
import { expect, test } from 'vitest';
import { stackOf } from '../../../scripts/doctor/assembly.ts';
import { checkUpdate } from '../../../scripts/doctor/checks/update.ts';
import type { DeployedStack } from '../../../scripts/doctor/deployed.ts';
import { type Context, templatesOf } from '../template/synthesized.ts';

const stacksOf = (context: Context) => {
  const { log, hub } = templatesOf(context);
  return [stackOf('tidings-dev-log', log.toJSON()), stackOf('tidings-dev-hub', hub.toJSON())];
};

/** The warnings and failures of an update from one configuration to another. */
async function wordsOf(from: Context, to: Context): Promise<readonly string[]> {
  const state = {
    status: 'CREATE_COMPLETE',
    isLive: true,
    isProtected: true,
    outputs: {
      Url: 'https://d1.cloudfront.net',
      StreamUrl: 'https://f1.lambda-url.eu-west-1.on.aws/',
      HttpUrl: 'https://a1.example/',
      SocketUrl: 'wss://a2.example/ws',
    },
    reason: '',
  };
  const deployed: readonly DeployedStack[] = stacksOf(from).map((stack) => ({ ...stack, ...state }));
  const assembly = { stacks: stacksOf(to), bootstrap: { version: 6, parameter: '' } };
  const identity = { account: '111122223333', arn: '', region: 'eu-west-1' };
  const found = await checkUpdate({ identity, assembly, deployed });
  return found.filter(({ level }) => level !== 'fine').map(({ text }) => text);
}

test.each<[string, Context, Context, readonly RegExp[]]>([
  [
    'with a web ACL the APIs answer only to the front door',
    {},
    {
      'tidings:webAcl':
        'arn:aws:wafv2:us-east-1:123456789012:global/webacl/team/11111111-2222-3333-4444-555555555555',
    },
    [
      /^https:\/\/a1\.example\/ and wss:\/\/a2\.example\/ws answer only to the front door: other requests get 403$/,
    ],
  ],
  [
    'without the front door its URL ends',
    {},
    { 'tidings:edge': false },
    [
      /^AWS::CloudFront::Distribution \w+ of tidings-dev-hub is deleted: its URL .* fail \(https:\/\/d1\.cloudfront\.net\)$/,
    ],
  ],
  [
    'with a new front door streams have no other URL',
    { 'tidings:edge': false },
    {},
    [
      /^https:\/\/f1\.lambda-url\.eu-west-1\.on\.aws\/ answers only to the new front door: its clients get 403$/,
    ],
  ],
  [
    'without an address for alarms their topic ends',
    { 'tidings:alarmEmail': 'ann@example.com' },
    {},
    [/^AWS::SNS::Topic \w+ of tidings-dev-hub is deleted: your own subscriptions to it are deleted$/],
  ],
  [
    'without logs of sockets the logs end',
    { 'tidings:socketLogs': true },
    {},
    [/^AWS::Logs::LogGroup \w+ of tidings-dev-hub is deleted: its logs are deleted$/],
  ],
  [
    'a hub that becomes throw-away loses its protection',
    {},
    { 'tidings:throwAway': true },
    [/^8 tables and keys of tidings-dev-log lose their protection: npm run destroy then deletes them$/],
  ],
  ['a hub that is no longer throw-away loses nothing', { 'tidings:throwAway': true }, {}, []],
  [
    'a change of numbers removes nothing',
    {},
    { 'tidings:retentionDays': 30, 'tidings:maxHolds': 50, 'tidings:channelCreation': 'explicit' },
    [],
  ],
])('%s', async (_, from, to, words) => {
  expect(await wordsOf(from, to)).toEqual(words.map((pattern) => expect.stringMatching(pattern)));
});
