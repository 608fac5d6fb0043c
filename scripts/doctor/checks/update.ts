/**
 * What an update would replace or remove: the deployed templates against the new ones, compared as `cdk diff` does. Most
 * resources may be replaced without anyone noticing; what holds data, messages or an address may not.
 * @module
 */
import { fullDiff, type ResourceDifference, ResourceImpact } from '@aws-cdk/cloudformation-diff';
import { fieldsOf } from '../../../protocol/fields.ts';
import type { StackTemplate } from '../assembly.ts';
import type { DeployedStack } from '../deployed.ts';
import { type Finding, failure, fine, warning } from '../finding.ts';
import type { Check } from '../situation.ts';

const ABOUT = 'update';

/** What is lost with a resource of each type. */
const LOSSES: Readonly<Record<string, string>> = {
  'AWS::DynamoDB::GlobalTable': 'the table that follows is empty',
  'AWS::SecretsManager::Secret': 'what the old key has signed or sealed is void',
  'AWS::SQS::Queue': 'messages that wait in it are lost',
  'AWS::Logs::LogGroup': 'what was logged is deleted',
  'AWS::SNS::Topic': 'what subscribes to it from outside hears nothing more',
  'AWS::ApiGatewayV2::Api': 'its URL changes, and clients of the old one fail',
  'AWS::Lambda::Url': 'its URL changes, and clients of the old one fail',
  'AWS::CloudFront::Distribution': 'its URL changes, and clients of the old one fail',
};

const GONE: Readonly<Partial<Record<ResourceImpact, string>>> = {
  [ResourceImpact.WILL_REPLACE]: 'is replaced',
  [ResourceImpact.MAY_REPLACE]: 'may be replaced',
  [ResourceImpact.WILL_DESTROY]: 'is deleted',
  [ResourceImpact.WILL_ORPHAN]: 'leaves the stack and stays in the account',
};

export const checkUpdate: Check = async ({ assembly, deployed }) => {
  const updated = assembly.stacks.flatMap((stack) => {
    const old = deployed.find(({ name, isLive }) => name === stack.name && isLive);
    return old ? [{ old, stack }] : [];
  });
  if (updated.length === 0) return [fine(ABOUT, 'nothing is deployed yet, so nothing is replaced')];
  const found = updated.flatMap(({ old, stack }) => findingsOf(old, stack));
  const others = updated
    .flatMap(({ old, stack }) => goneOf(old, stack))
    .filter(({ type }) => !(type in LOSSES));
  const rest = others.length === 0 ? 'nothing' : `${others.length} resources without data or address`;
  return found.length > 0 ? found : [fine(ABOUT, `replaces or removes ${rest}`)];
};

interface Gone {
  readonly id: string;
  readonly type: string;
  readonly how: string;
  /** True if the deployed template protects it. */
  readonly isKept: boolean;
  readonly isSocket: boolean;
}

function findingsOf(old: DeployedStack, stack: StackTemplate): readonly Finding[] {
  const losses = goneOf(old, stack)
    .filter(({ type }) => type in LOSSES)
    .map((gone) => lossOf(gone, old));
  return [...losses, ...closedOf(old, stack), ...bareOf(old, stack)];
}

function goneOf(old: StackTemplate, stack: StackTemplate): readonly Gone[] {
  // It changes what it is given.
  const { resources } = fullDiff(structuredClone(old.template), structuredClone(stack.template));
  return Object.entries(resources.changes).flatMap(([id, difference]: [string, ResourceDifference]) => {
    const how = GONE[difference.changeImpact];
    const was = old.resources.find((resource) => resource.id === id);
    if (how === undefined || was === undefined) return [];
    const isSocket = was.properties.ProtocolType === 'WEBSOCKET';
    return [{ id, type: was.type, how, isKept: was.isKept, isSocket }];
  });
}

function lossOf(gone: Gone, { name, outputs }: DeployedStack): Finding {
  const { id, type, how, isKept } = gone;
  const loss = LOSSES[type] ?? '';
  const says = `${type} ${id} of ${name} ${how}: ${loss}${addressIn(outputs, gone)}`;
  if (!isKept)
    return warning(
      ABOUT,
      says,
      'npm run diff says by which change; another stage (-c tidings:stage=NAME) leaves this one as it is',
    );
  return failure(
    ABOUT,
    `${says}. The old one stays in the account, and the hub no longer reads it`,
    'undo the change that npm run diff shows, or deploy another stage: -c tidings:stage=NAME',
  );
}

/** The output by which clients know the address that goes. */
function addressIn(outputs: Readonly<Record<string, string>>, { type, isSocket }: Gone): string {
  const names: Readonly<Record<string, string>> = {
    'AWS::ApiGatewayV2::Api': isSocket ? 'SocketUrl' : 'HttpUrl',
    'AWS::Lambda::Url': 'StreamUrl',
    'AWS::CloudFront::Distribution': 'Url',
  };
  const known = outputs[names[type] ?? ''];
  return known === undefined ? '' : ` (${known})`;
}

/** Behind a front door the function URL answers to nothing else. */
function closedOf(old: DeployedStack, stack: StackTemplate): readonly Finding[] {
  const authOf = ({ resources }: StackTemplate) =>
    resources.find(({ type }) => type === 'AWS::Lambda::Url')?.properties.AuthType;
  if (authOf(old) !== 'NONE' || authOf(stack) !== 'AWS_IAM') return [];
  const says = `${old.outputs.StreamUrl ?? 'the URL of streams'} answers only to the new front door: clients of it get 403`;
  return [warning(ABOUT, says, 'give clients the output Url of the new deployment')];
}

/** Data that the deployed template protects and the new one does not. */
function bareOf(old: DeployedStack, stack: StackTemplate): readonly Finding[] {
  const isKept = (id: string) => stack.resources.some((resource) => resource.id === id && resource.isKept);
  const isThere = (id: string) => fieldsOf(stack.template.Resources)[id] !== undefined;
  const bare = old.resources.filter(
    (resource) => resource.isKept && isThere(resource.id) && !isKept(resource.id),
  );
  if (bare.length === 0) return [];
  const says = `${bare.length} tables and keys of ${old.name} lose their protection: npm run destroy then deletes them`;
  return [warning(ABOUT, says, '-c tidings:throwAway=false keeps it')];
}
