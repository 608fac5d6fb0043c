/**
 * Hosts that serve the function itself are the hub's own: a webhook must not reach them.
 */
import { expect, test } from 'vitest';
import { hostsOfRuntime } from '../../../../lambda/webhook/outbound/own-hosts.ts';
import { parseOwnHost, parseTarget } from '../../../../lambda/webhook/outbound/target.ts';
import { Refusal } from '../../../../protocol/errors.ts';

test.each([
  [{}, []],
  [{ AWS_LAMBDA_RUNTIME_API: '169.254.100.1:9001' }, ['169.254.100.1:9001']],
  [
    { AWS_LAMBDA_RUNTIME_API: '127.0.0.1:4001/0a1b', AWS_ENDPOINT_URL: 'http://127.0.0.1:4002' },
    ['127.0.0.1:4001', '127.0.0.1:4002'],
  ],
  [{ AWS_ENDPOINT_URL: 'not a URL' }, []],
])('the environment %j has the hosts %j', (env, hosts) => {
  expect(hostsOfRuntime(env)).toEqual(hosts);
  for (const host of hosts) expect(() => parseOwnHost(host)).not.toThrow();
});

test.each(['127.0.0.1', 'localhost', '127.1.2.3', '[::1]', '2130706433', 'app.localhost'])(
  'is no receiver by the name of %s',
  (name) => {
    const ownHosts = hostsOfRuntime({ AWS_ENDPOINT_URL: 'http://127.0.0.1:4002' });
    const at = (port: number) => () =>
      parseTarget(`http://${name}:${port}/_local/faults`, { isInsecureAllowed: true, ownHosts });
    expect(at(4_002)).toThrow(Refusal);
    expect(at(4_002)).toThrow(/does not call its own hosts/);
    expect(at(4_003)).not.toThrow();
  },
);
