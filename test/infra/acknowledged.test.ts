/**
 * What cdk-nag finds and is told to leave: each finding, where it is, and why. The list is whole: one more fails here.
 * @module
 */
import { Validations } from 'aws-cdk-lib';
import { expect, test } from 'vitest';
import { hubOf } from './synthesized.ts';

const CONNECTIONS =
  /^IAM5\[Resource::arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<SocketApi[0-9A-F]{8}>\/ws\/(?:POST|DELETE)\/@connections\/\*\]$/;

/** Rule → where → why, in words of the reason. `IAM5` stands for the whole of its id. */
const ACKNOWLEDGED: readonly (readonly [rule: string, where: RegExp, why: string, count: number])[] = [
  // Of the three that no hub over sockets can be without: routes of sockets, and connections that are not known yet.
  ['APIG4', /^Socket\/Api$/, 'a WebSocket API can authorize $connect only', 1],
  // The push posts and ends; the socket ends a connection that floods it.
  ['IAM5', /^Push\/Door$/, 'the ids of connections are not known before they connect', 2],
  ['IAM5', /^Socket\/Door$/, 'the ids of connections are not known before they connect', 1],
  // Every door is traced.
  ['IAM5[Resource::*]', /\/Door$/, 'are of no resource', 9],
  // Tokens are verified in the doors, so that a hub may be open to anonymous readers of some channels. One for each route:
  // a route that is added does not get it for nothing.
  ['APIG4', /^Http\/(Api\/(GET|HEAD|ANY)--|NoSuchPath$)/, 'the door verifies the token itself', 12],
  // A setting of the account would be needed to deploy at all.
  ['APIG1', /^Socket\/Stage$/, 'access logs of WebSocket APIs need a role', 1],
  // Both keys are rotated by the operator, current and previous, since what was signed or sealed must stay readable.
  ['SMG4', /^TokenKeys\/Secret$/, 'a scheduled rotation would void every token in use at once', 1],
  ['SMG4', /^Webhooks\/WebhookKey$/, 'what was sealed stays sealed with the key of its day', 1],
  // What a front door costs, and whom it logs, is the operator's to decide.
  ['CFR1', /^Edge\/Distribution$/, 'who may use a hub is decided by tokens', 1],
  ['CFR2', /^Edge\/Distribution$/, 'a web ACL costs a fee', 1],
  ['CFR3', /^Edge\/Distribution$/, 'would hold query strings, in which tickets travel', 1],
  ['CFR4', /^Edge\/Distribution$/, 'the distribution has no domain of its own', 1],
];

interface Acknowledged {
  readonly rule: string;
  readonly where: string;
  readonly why: string;
}

function acknowledgedWith(context: Readonly<Record<string, unknown>>): Acknowledged[] {
  const { app } = hubOf(context);
  return app.node.findAll().flatMap((construct) =>
    construct.node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }: { data?: unknown }) =>
        Object.entries(Object(data)).map(([id, why]) => {
          const rule = id.replace('Annotation::AwsSolutions-', '');
          const where = construct.node.path.replace(/^tidings-dev-(log|hub)\//, '');
          return { rule: CONNECTIONS.test(rule) ? 'IAM5' : rule, where, why: String(why) };
        }),
      ),
  );
}

test('every finding that is left stands in the list, with its reason', () => {
  const found = acknowledgedWith({});
  const inList = ({ rule, where, why }: Acknowledged) =>
    ACKNOWLEDGED.filter(([of, at, words]) => of === rule && at.test(where) && why.includes(words));
  expect(found.filter((one) => inList(one).length !== 1)).toEqual([]);
  for (const [rule, where, why, count] of ACKNOWLEDGED) {
    const matching = found.filter(
      (one) => one.rule === rule && where.test(one.where) && one.why.includes(why),
    );
    expect([rule, String(where), matching.length]).toEqual([rule, String(where), count]);
  }
});

test('fewer are left with the logs of sockets, and without a front door', () => {
  const found = acknowledgedWith({ 'tidings:socketLogs': true, 'tidings:edge': false });
  expect(found.filter(({ rule }) => rule === 'APIG1' || rule.startsWith('CFR'))).toEqual([]);
});
