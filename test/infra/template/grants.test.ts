/**
 * The exact actions of each function, on exact resources.
 * @module
 */
import { expect, test } from 'vitest';
import { type Context, templatesOf } from './synthesized.ts';

const SEND_HINTS = [
  'Topic: sns:Publish',
  'HintsPushQueue: sqs:SendMessage',
  'DispatchQueue: sqs:SendMessage',
];
const NOTICES = [
  'Channels: dynamodb:GetItem dynamodb:UpdateItem',
  'Entries: dynamodb:Query dynamodb:PutItem dynamodb:GetItem',
  ...SEND_HINTS,
];

/** Returns the actions of each function by resource, after a check that no resource is open. */
function grantsOf(context: Context = {}): Readonly<Record<string, readonly string[]>> {
  const { hub } = templatesOf(context);
  return Object.fromEntries(
    Object.entries(hub.findResources('AWS::IAM::Policy')).map(([id, policy]) => {
      const statements = statementsOf(policy.Properties?.PolicyDocument);
      // Ids of connections are not known at synthesis, and IAM knows no resources for traces. Nothing else may be open.
      const traces = statements.filter(({ Resource }) => Resource === '*').map(({ Action }) => Action);
      expect(traces).toEqual([['xray:PutTraceSegments', 'xray:PutTelemetryRecords']]);
      const named = statements.filter(({ Resource }) => Resource !== '*');
      const resources = JSON.stringify(named.map(({ Resource }) => Resource));
      expect(resources.replace(/\/ws\/(POST|DELETE)\/@connections\/\*/g, '')).not.toContain('*');
      const lines = named.map(({ Action, Resource }) => `${nameIn(Resource)}: ${Action.join(' ')}`);
      return [id.replace(/Handler.*/, ''), lines.sort()];
    }),
  );
}

test('each function may do exactly its actions on exact resources', () => {
  const grants = grantsOf();
  const logs = 'Logs: logs:CreateLogStream logs:PutLogEvents';
  const common = [logs, 'Secret: secretsmanager:GetSecretValue'];
  const workOff = (queue: string) => `${queue}: sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes`;
  const readOnly = ['Channels: dynamodb:GetItem', 'Entries: dynamodb:Query'];
  const key = 'WebhookKey: secretsmanager:GetSecretValue';
  const latest = 'Snapshots: dynamodb:GetItem';
  const holding = [
    'Channels: dynamodb:GetItem dynamodb:UpdateItem',
    'Entries: dynamodb:Query dynamodb:PutItem dynamodb:GetItem',
    ...common,
    latest,
    'Subscribers: dynamodb:Query dynamodb:UpdateItem',
  ];
  expect(grants).toEqual({
    Publish: [
      'Channels: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem',
      'Entries: dynamodb:PutItem dynamodb:GetItem dynamodb:Query',
      'Keys: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem',
      ...common,
      ...SEND_HINTS,
      'Subscribers: dynamodb:Query dynamodb:GetItem dynamodb:Scan',
    ].sort(),
    Read: [
      'Channels: dynamodb:GetItem dynamodb:UpdateItem',
      'Channels: dynamodb:Scan',
      'Entries: dynamodb:Query dynamodb:PutItem dynamodb:GetItem',
      ...common,
      latest,
    ],
    Hold: holding,
    // It remembers used tickets.
    Stream: [...holding, 'Keys: dynamodb:PutItem'].sort(),
    Socket: [
      'Channels: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem',
      'Entries: dynamodb:PutItem dynamodb:GetItem dynamodb:Query',
      'Keys: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem',
      ...common,
      ...SEND_HINTS,
      'SocketApi/DELETE: execute-api:ManageConnections',
      'Subscribers: dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem',
    ].sort(),
    // It writes no log, except tombstones.
    Fold: [
      'Channels: dynamodb:GetItem',
      'Entries: dynamodb:Query dynamodb:PutItem dynamodb:GetItem',
      'Snapshots: dynamodb:GetItem dynamodb:PutItem dynamodb:DeleteItem dynamodb:Query',
      logs,
      workOff('FoldQueue'),
      'FoldQueue: sqs:SendMessage',
    ].sort(),
    Push: [
      'Channels: dynamodb:GetItem',
      latest,
      'Cursors: dynamodb:BatchGetItem dynamodb:GetItem dynamodb:UpdateItem',
      'Entries: dynamodb:Query dynamodb:PutItem dynamodb:GetItem',
      logs,
      workOff('HintsPushQueue'),
      'HintsPushQueue: sqs:SendMessage',
      'SocketApi/DELETE: execute-api:ManageConnections',
      'SocketApi/POST: execute-api:ManageConnections',
      'Subscribers: dynamodb:Query dynamodb:BatchGetItem dynamodb:GetItem dynamodb:UpdateItem dynamodb:DeleteItem',
      'Topic: sns:Publish',
    ].sort(),
    Webhooks: [
      ...readOnly,
      ...common,
      'Endpoints: dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem',
      'Deliveries: dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem',
      'DeliverQueue: sqs:SendMessage',
      key,
    ].sort(),
    Dispatch: [
      ...NOTICES,
      logs,
      'Endpoints: dynamodb:BatchGetItem dynamodb:UpdateItem',
      'Deliveries: dynamodb:PutItem dynamodb:UpdateItem',
      'DeliverQueue: sqs:SendMessage',
      workOff('DispatchQueue'),
    ].sort(),
    // It calls URLs of others, so it may only read the log, and change only endpoints and deliveries.
    Deliver: [
      'Channels: dynamodb:BatchGetItem dynamodb:GetItem',
      'Entries: dynamodb:BatchGetItem dynamodb:Query',
      logs,
      'Endpoints: dynamodb:BatchGetItem dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem',
      'Deliveries: dynamodb:GetItem dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem',
      'DeliverQueue: sqs:ChangeMessageVisibility',
      workOff('DeliverQueue'),
      'DeliverDeadLetters: sqs:SendMessage',
      'DispatchQueue: sqs:SendMessage',
      key,
    ].sort(),
  });
});

test('presence adds exactly what it needs', () => {
  const [plain, present] = [grantsOf(), grantsOf({ 'tidings:presence': ['chat/*'] })];
  const added = Object.entries(present).map(([name, lines]) => [
    name,
    lines.filter((line) => !plain[name]?.includes(line)),
  ]);
  const look = 'PresenceLooksQueue: sqs:SendMessage';
  expect(Object.fromEntries(added.filter(([, lines]) => lines?.length))).toEqual({
    Socket: [look],
    Push: [look],
    Hold: [look, 'Subscribers: dynamodb:GetItem dynamodb:PutItem'],
    Stream: [look, 'Subscribers: dynamodb:GetItem dynamodb:PutItem'],
    Read: ['Subscribers: dynamodb:Query'],
    Presence: [
      ...NOTICES,
      'Logs: logs:CreateLogStream logs:PutLogEvents',
      look,
      'PresenceLooksQueue: sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes',
      'Snapshots: dynamodb:GetItem',
      'Subscribers: dynamodb:Query dynamodb:GetItem dynamodb:UpdateItem dynamodb:DeleteItem',
    ].sort(),
  });
});

test('an intake adds one function, which may append and send dead letters, and changes no other', () => {
  const { Intake, ...others } = grantsOf({ 'tidings:intake': true });
  expect(others).toEqual(grantsOf());
  expect(Intake).toEqual(
    [
      'Channels: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem',
      'Entries: dynamodb:PutItem dynamodb:GetItem dynamodb:Query',
      'IntakeMessagesDeadLetters: sqs:SendMessage',
      'IntakeMessagesQueue: sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes',
      'Keys: dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem',
      'Logs: logs:CreateLogStream logs:PutLogEvents',
      ...SEND_HINTS,
    ].sort(),
  );
});

function statementsOf(document: unknown): { Action: string[]; Resource: unknown }[] {
  const { Statement } = { Statement: [], ...(typeof document === 'object' ? document : {}) };
  return Array.isArray(Statement)
    ? Statement.map(({ Action, Resource }) => ({ Action: [Action].flat().map(String), Resource }))
    : [];
}

/** Returns the name of the resource that an ARN in the template belongs to. */
function nameIn(resource: unknown): string {
  const [name = JSON.stringify(resource)] =
    /Channels|Entries|Keys(?=[0-9A-F]{8})|Subscribers|Cursors|Snapshots|WebhookKey|Secret|Logs|Topic|HintsPushQueue|PresenceLooksQueue|IntakeMessages(?:Queue|DeadLetters)|(?:Dispatch|Deliver|Fold)(?:Queue|DeadLetters)|Endpoints|Deliveries|SocketApi/.exec(
      JSON.stringify(resource).replace('TokenKeys', ''),
    ) ?? [];
  const [, method = ''] = /\/ws(\/[A-Z]+)\/@connections\//.exec(JSON.stringify(resource)) ?? [];
  return name + method;
}
