/**
 * A hub without presence has nothing of it. A hub with presence has one function, one queue and one route more.
 * @module
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { handlerNames, presenceContracts } from '../../../lambda/env.ts';
import { fieldsOf } from '../../../protocol/fields.ts';
import { propertiesOf, strictHubOf, templatesOf } from './synthesized.ts';

const PRESENCE = { 'tidings:presence': ['chat/*', 'game/room1'] };

test('without the option the templates have nothing of presence', () => {
  const { log, hub } = templatesOf();
  for (const template of [log, hub]) expect(JSON.stringify(template.toJSON())).not.toMatch(/presence/i);
});

describe('with the option', () => {
  const { hub } = templatesOf(PRESENCE);
  const variables = Object.fromEntries(
    Object.entries(hub.findResources('AWS::Lambda::Function')).map(([id, { Properties }]) => [
      id.replace(/Handler.*/, ''),
      fieldsOf(Properties?.Environment?.Variables),
    ]),
  );

  test('the template passes strict validation and AwsSolutions', () => {
    expect(strictHubOf(PRESENCE).app.synth().stacks).toHaveLength(2);
  });

  test('every function has the environment of its contract and nothing else', () => {
    const always = Object.keys(handlerNames).filter((name) => name !== 'Console');
    const names = [...always, 'Presence'];
    const expected = names.map((name): [string, string[]] => {
      const added = (presenceContracts[name] ?? []).flatMap((contract) => contract.names);
      return [name, [...new Set([...(handlerNames[name] ?? []), ...added])].sort()];
    });
    const found = Object.entries(variables).map(([name, each]) => [name, Object.keys(each).sort()]);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
    expect(variables.Socket?.PRESENCE).toBe(JSON.stringify(PRESENCE['tidings:presence']));
  });

  test('one route answers who is in a channel, at the rate of rare requests', () => {
    const routes = propertiesOf(hub, 'AWS::ApiGatewayV2::Route').map(({ RouteKey }) => RouteKey);
    expect(routes).toContain('ANY /presence/{channel+}');
    expect(routes).toHaveLength(propertiesOf(templatesOf().hub, 'AWS::ApiGatewayV2::Route').length + 1);
    const stages = propertiesOf(hub, 'AWS::ApiGatewayV2::Stage').map(({ RouteSettings }) => RouteSettings);
    expect(stages.flatMap((settings) => Object.keys(fieldsOf(settings)))).not.toContain(
      'ANY /presence/{channel+}',
    );
  });

  test('the queue and the function have alarms, and the runbook has their headings', () => {
    const runbook = readFileSync(resolve(import.meta.dirname, '../../../docs/runbook.md'), 'utf8');
    const plain = propertiesOf(templatesOf().hub, 'AWS::CloudWatch::Alarm').map(({ AlarmName }) => AlarmName);
    const alarms = propertiesOf(hub, 'AWS::CloudWatch::Alarm').filter(
      ({ AlarmName }) => !plain.includes(AlarmName),
    );
    expect(alarms.map(({ AlarmName }) => AlarmName).sort()).toEqual([
      expect.stringContaining('Presence/Looks/HasDeadLetters'),
      expect.stringContaining('Watch/PresenceFails'),
      expect.stringContaining('Watch/PresenceWaits'),
    ]);
    for (const { AlarmDescription } of alarms) {
      const [, heading = 'none'] = /docs\/runbook\.md[^"]*?"([^"]+)"/.exec(String(AlarmDescription)) ?? [];
      expect(runbook, String(AlarmDescription)).toContain(`\n## ${heading}\n`);
    }
  });
});
