/**
 * The resources that an update would replace or remove, found as `cdk diff` finds them. Only resources with data,
 * messages or an address matter.
 * @module
 */
import { fullDiff, type ResourceDifference, ResourceImpact } from '@aws-cdk/cloudformation-diff';
import { fieldsOf } from '../../../protocol/fields.ts';
import type { StackTemplate } from '../assembly.ts';
import { type Check, type Finding, failure, fine, warning } from '../check.ts';
import type { DeployedStack } from '../deployed.ts';

const SUBJECT = 'update';

/** The loss when a resource of each type is replaced or removed. */
const LOSSES: Readonly<Record<string, string>> = {
  'AWS::DynamoDB::GlobalTable': 'the new table is empty',
  'AWS::SecretsManager::Secret': 'tokens that the old key signed, and data that it encrypted, become invalid',
  'AWS::SQS::Queue': 'the messages in it are lost',
  'AWS::Logs::LogGroup': 'its logs are deleted',
  'AWS::SNS::Topic': 'your own subscriptions to it are deleted',
  'AWS::ApiGatewayV2::Api': 'its URL changes, and clients of the old one fail',
  'AWS::Lambda::Url': 'its URL changes, and clients of the old one fail',
  'AWS::CloudFront::Distribution': 'its URL changes, and clients of the old one fail',
};

const IMPACTS: Readonly<Partial<Record<ResourceImpact, string>>> = {
  [ResourceImpact.WILL_REPLACE]: 'is replaced',
  [ResourceImpact.MAY_REPLACE]: 'may be replaced',
  [ResourceImpact.WILL_DESTROY]: 'is deleted',
  [ResourceImpact.WILL_ORPHAN]: 'leaves the stack and stays in the account',
};

/** Compares the deployed templates with the new ones. */
export const checkUpdate: Check = async ({ assembly, deployed }) => {
  const updated = assembly.stacks.flatMap((stack) => {
    const old = deployed.find(({ name, isLive }) => name === stack.name && isLive);
    return old ? [{ old, stack }] : [];
  });
  if (updated.length === 0) return [fine(SUBJECT, 'nothing is deployed yet, so nothing is replaced')];
  const found = updated.flatMap(({ old, stack }) => findingsOf(old, stack));
  const others = updated
    .flatMap(({ old, stack }) => removedResources(old, stack))
    .filter(({ type }) => !(type in LOSSES));
  const rest = others.length === 0 ? 'nothing' : `${others.length} resources without data or address`;
  return found.length > 0 ? found : [fine(SUBJECT, `replaces or removes ${rest}`)];
};

interface RemovedResource {
  readonly id: string;
  readonly type: string;
  readonly how: string;
  /** True if the deployed template retains it. */
  readonly isRetained: boolean;
  readonly isSocket: boolean;
}

function findingsOf(old: DeployedStack, stack: StackTemplate): readonly Finding[] {
  const losses = removedResources(old, stack)
    .filter(({ type }) => type in LOSSES)
    .map((removed) => removalFinding(removed, old));
  return [
    ...losses,
    ...closedStreamUrl(old, stack),
    ...closedApis(old, stack),
    ...unprotectedData(old, stack),
  ];
}

function removedResources(old: StackTemplate, stack: StackTemplate): readonly RemovedResource[] {
  // fullDiff changes its arguments.
  const { resources } = fullDiff(structuredClone(old.template), structuredClone(stack.template));
  return Object.entries(resources.changes).flatMap(([id, difference]: [string, ResourceDifference]) => {
    const how = IMPACTS[difference.changeImpact];
    const was = old.resources.find((resource) => resource.id === id);
    if (how === undefined || was === undefined) return [];
    const isSocket = was.properties.ProtocolType === 'WEBSOCKET';
    return [{ id, type: was.type, how, isRetained: was.isRetained, isSocket }];
  });
}

function removalFinding(removed: RemovedResource, { name, outputs }: DeployedStack): Finding {
  const { id, type, how, isRetained } = removed;
  const loss = LOSSES[type] ?? '';
  const text = `${type} ${id} of ${name} ${how}: ${loss}${addressIn(outputs, removed)}`;
  if (!isRetained)
    return warning(
      SUBJECT,
      text,
      'npm run diff shows which change causes it; another stage (-c tidings:stage=NAME) does not change this one',
    );
  return failure(
    SUBJECT,
    `${text}. The old one stays in the account, and the hub no longer reads it`,
    'undo the change that npm run diff shows, or deploy another stage: -c tidings:stage=NAME',
  );
}

/** Returns the address that clients lose, from the outputs of the stack. */
function addressIn(outputs: Readonly<Record<string, string>>, { type, isSocket }: RemovedResource): string {
  const names: Readonly<Record<string, string>> = {
    'AWS::ApiGatewayV2::Api': isSocket ? 'SocketUrl' : 'HttpUrl',
    'AWS::Lambda::Url': 'StreamUrl',
    'AWS::CloudFront::Distribution': 'Url',
  };
  const known = outputs[names[type] ?? ''];
  return known === undefined ? '' : ` (${known})`;
}

/** A function URL behind a front door answers only to the front door. */
function closedStreamUrl(old: DeployedStack, stack: StackTemplate): readonly Finding[] {
  const authOf = ({ resources }: StackTemplate) =>
    resources.find(({ type }) => type === 'AWS::Lambda::Url')?.properties.AuthType;
  if (authOf(old) !== 'NONE' || authOf(stack) !== 'AWS_IAM') return [];
  const text = `${old.outputs.StreamUrl ?? 'the URL of streams'} answers only to the new front door: its clients get 403`;
  return [warning(SUBJECT, text, 'give clients the output Url of the new deployment')];
}

/** The APIs of a hub with a domain or a web ACL answer only to the front door, which sends them a secret header. */
function closedApis(old: DeployedStack, stack: StackTemplate): readonly Finding[] {
  const isClosed = ({ resources }: StackTemplate): boolean =>
    resources.some(
      ({ type, properties }) =>
        type === 'AWS::CloudFront::Distribution' &&
        JSON.stringify(properties).includes('OriginCustomHeaders'),
    );
  const { HttpUrl, SocketUrl } = old.outputs;
  if (HttpUrl === undefined || isClosed(old) || !isClosed(stack)) return [];
  const text = `${HttpUrl} and ${SocketUrl ?? 'the URL of sockets'} answer only to the front door: other requests get 403`;
  return [warning(SUBJECT, text, 'give clients the output Url')];
}

/** Returns a warning for data that the deployed template protects and the new one does not. */
function unprotectedData(old: DeployedStack, stack: StackTemplate): readonly Finding[] {
  const isRetained = (id: string) =>
    stack.resources.some((resource) => resource.id === id && resource.isRetained);
  const isThere = (id: string) => fieldsOf(stack.template.Resources)[id] !== undefined;
  const bare = old.resources.filter(
    (resource) => resource.isRetained && isThere(resource.id) && !isRetained(resource.id),
  );
  if (bare.length === 0) return [];
  const text = `${bare.length} tables and keys of ${old.name} lose their protection: npm run destroy then deletes them`;
  return [warning(SUBJECT, text, '-c tidings:throwAway=false keeps it')];
}
