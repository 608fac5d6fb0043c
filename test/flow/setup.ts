/**
 * The hub that the wire tests talk to: the local stack, or with HUB_STAGE the deployed hub of that stage (created
 * with `-c 'tidings:anonymous={"public/*":["subscribe"]}' -c tidings:console=true`), with your AWS credentials.
 * @module
 */
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import type { TestProject } from 'vitest/node';
import { keysOfDeployedHub, keysOfLocalHub, urlOfDeployedHub } from '../../scripts/hub/hub-keys.ts';
import { startHub, WITH_EXAMPLES } from '../../scripts/hub/local-hub.ts';
import { type IssuerUnderTest, startIssuer } from '../support/access/issuer.ts';
import { saveGrants } from '../support/wire/grants.ts';

export interface HubUnderTest {
  readonly url: string;
  /** Where sockets are opened: through the front door, if there is one, and at the API itself. */
  readonly socketUrl: string;
  readonly apiSocketUrl: string;
  readonly key: string;
  readonly audience: string;
  /** The identity provider that the hub trusts; undefined for a deployed hub, which cannot reach one on this machine. */
  readonly issuer: IssuerUnderTest | undefined;
}

declare module 'vitest' {
  export interface ProvidedContext {
    hub: HubUnderTest;
  }
}

export const ANONYMOUS = { 'public/*': ['subscribe'] };

/**
 * All callers without a `sub` are one caller, and so are all tests that run at the same time. With the default of 25 the streams of
 * one test would replace, and so end, the streams of another.
 */
const HELD_PER_CALLER = 1_000;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stage = process.env.HUB_STAGE;
  if (stage !== undefined) {
    const urls = { url: await urlOfDeployedHub(stage), ...(await socketsOfDeployedHub(stage)) };
    project.provide('hub', { ...urls, ...(await keysOfDeployedHub(stage)), issuer: undefined });
    return async () => {};
  }
  const provider = await startIssuer();
  const hub = await startHub({
    context: {
      'tidings:anonymous': ANONYMOUS,
      ...WITH_EXAMPLES,
      'tidings:heldPerCaller': HELD_PER_CALLER,
      'tidings:presence': [...WITH_EXAMPLES['tidings:presence'], 'present/*'],
      'tidings:stamp': {
        ...WITH_EXAMPLES['tidings:stamp'],
        'stamped/*': { sender: 'sub', sentAt: 'time' },
        'stamped/plain/*': { by: 'sub' },
      },
      ...provider.context,
    },
  });
  const { url, socketUrl, outputs } = hub.stack;
  const sockets = socketsOf({ ...outputs, Url: url });
  if (sockets.socketUrl !== socketUrl) throw new Error(`sockets are at ${socketUrl}, not at the front door`);
  const { issuer } = provider;
  project.provide('hub', { url, ...sockets, ...(await keysOfLocalHub(hub.stack)), issuer });
  return async () => {
    await saveGrants('flow', hub.stack.control);
    await hub.close();
    await provider.close();
  };
}

type Sockets = Pick<HubUnderTest, 'socketUrl' | 'apiSocketUrl'>;

function socketsOf({ Url, SocketUrl }: Readonly<Record<string, string | undefined>>): Sockets {
  if (!SocketUrl) throw new Error('the hub has no output SocketUrl');
  const apiSocketUrl = SocketUrl;
  return { apiSocketUrl, socketUrl: Url ? `${Url.replace(/^http/, 'ws')}/ws` : apiSocketUrl };
}

async function socketsOfDeployedHub(stage: string): Promise<Sockets> {
  const describe = new DescribeStacksCommand({ StackName: `tidings-${stage}-hub` });
  const { Stacks = [] } = await new CloudFormationClient({}).send(describe);
  const outputs = Stacks[0]?.Outputs ?? [];
  return socketsOf(Object.fromEntries(outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue])));
}
