/**
 * An endpoint in place of AWS for commands with --stage. It uses the wire formats of the services.
 * @module
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

const OF_THE_LOG: Outputs = { TokenSecretArn: 'arn:secret', TokenAudience: 'tidings:prod' };

type Outputs = Readonly<Record<string, string>>;

/** Returns the answer of CloudFormation for a stack with these outputs. */
function describing(outputs: Outputs): string {
  const members = Object.entries(outputs).map(
    ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
  );
  return `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
<StackName>tidings-prod</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>
${members.join('\n')}
</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;
}

export interface Deployed {
  /** The environment of a command that must find the endpoint. */
  readonly env: NodeJS.ProcessEnv;
  /** The bodies of all requests, in order. */
  readonly asked: readonly string[];
  readonly close: () => void;
}

/**
 * Starts the endpoint.
 * @param putStatus the status of PutSecretValue; anything but 200 is a ResourceExistsException
 * @param ofTheHub the outputs of the stack of the hub
 */
export async function startDeployed(
  secret: object,
  putStatus = 200,
  ofTheHub: Outputs = {},
): Promise<Deployed> {
  const asked: string[] = [];
  const version = { VersionId: 'v1', CreatedDate: Date.UTC(2026, 0, 1) / 1_000 };
  const answer = (operation: string, body: string, response: ServerResponse): void => {
    const [, name] = operation.split('.');
    response.setHeader('content-type', name ? 'application/x-amz-json-1.1' : 'text/xml');
    if (name === 'GetSecretValue')
      response.end(JSON.stringify({ SecretString: JSON.stringify(secret), ...version }));
    else if (name === 'PutSecretValue')
      response.writeHead(putStatus).end(JSON.stringify({ __type: 'ResourceExistsException' }));
    else response.end(describing(body.includes('-hub') ? ofTheHub : OF_THE_LOG));
  };
  const server = createServer((request: IncomingMessage, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => {
      asked.push(body);
      answer(String(request.headers['x-amz-target'] ?? ''), body, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const env = {
    ...process.env,
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  };
  return { env, asked, close: () => void server.close() };
}
