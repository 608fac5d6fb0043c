/**
 * The findings of cdk-nag that the hub acknowledges, with place and reason. The list is complete: one more fails here.
 * @module
 */
import { Validations } from 'aws-cdk-lib';
import { expect, test } from 'vitest';
import { hubOf } from './synthesized.ts';

const CONNECTIONS =
  /^IAM5\[Resource::arn:<AWS::Partition>:execute-api:<AWS::Region>:<AWS::AccountId>:<SocketApi[0-9A-F]{8}>\/ws\/(?:POST|DELETE)\/@connections\/\*\]$/;

/** Rule, place, and a part of the reason. `IAM5` stands for its whole id. */
const ACKNOWLEDGED: readonly (readonly [rule: string, where: RegExp, why: string, count: number])[] = [
  // No hub with sockets can be without these three: routes of sockets, and connections that are not known yet.
  ['APIG4', /^Socket\/Api$/, 'a WebSocket API can authorize $connect only', 1],
  // The push posts and ends; the socket ends a connection that floods it.
  ['IAM5', /^Push\/Handler$/, 'the ids of connections are not known before they connect', 2],
  ['IAM5', /^Socket\/Handler$/, 'the ids of connections are not known before they connect', 1],
  // Every function is traced.
  ['IAM5[Resource::*]', /\/Handler$/, 'IAM knows no resources for', 10],
  // Handlers verify tokens, so that a hub can be open to anonymous readers of some channels. One for each route, so that a new
  // route needs an acknowledgement of its own.
  ['APIG4', /^Http\/(Api\/(GET|HEAD|ANY)--|NoSuchPath$)/, 'the handler verifies the token itself', 13],
  // They need a setting of the account, and the deployment would fail without it.
  ['APIG1', /^Socket\/Stage$/, 'access logs of WebSocket APIs need a role', 1],
  // The operator rotates both keys, because signed tokens and sealed secrets must stay readable.
  ['SMG4', /^TokenKeys\/Secret$/, 'a scheduled rotation would void every token in use at once', 1],
  ['SMG4', /^Webhooks\/WebhookKey$/, 'sealed secrets need the key that sealed them', 1],
  // The operator decides what the front door costs and logs.
  ['CFR1', /^Edge\/Distribution$/, 'tokens decide who may use a hub', 1],
  ['CFR2', /^Edge\/Distribution$/, 'a web ACL costs a fee', 1],
  ['CFR3', /^Edge\/Distribution$/, 'would hold query strings, which contain tickets', 1],
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
          const where = construct.node.path.replace(/^tidings-dev-(log|hub)\/Default\//, '');
          return { rule: CONNECTIONS.test(rule) ? 'IAM5' : rule, where, why: String(why) };
        }),
      ),
  );
}

test('every acknowledged finding is in the list, with its reason', () => {
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

test('fewer are acknowledged with the logs of sockets, and without a front door', () => {
  const found = acknowledgedWith({ 'tidings:socketLogs': true, 'tidings:edge': false });
  expect(found.filter(({ rule }) => rule === 'APIG1' || rule.startsWith('CFR'))).toEqual([]);
});
