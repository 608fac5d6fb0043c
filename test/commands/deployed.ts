/**
 * A stand-in for AWS, as far as commands with --stage call it: it speaks the wire formats of the services.
 * @module
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

const OUTPUTS = `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
<StackName>tidings-prod-log</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>
<member><OutputKey>TokenSecretArn</OutputKey><OutputValue>arn:secret</OutputValue></member>
<member><OutputKey>TokenAudience</OutputKey><OutputValue>tidings:prod</OutputValue></member>
</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;

export interface Deployed {
  /** The environment of a command that is to find it. */
  readonly env: NodeJS.ProcessEnv;
  /** The bodies of all requests, in order. */
  readonly asked: readonly string[];
  readonly close: () => void;
}

/** @param putStatus what PutSecretValue is answered with; anything but 200 is a ResourceExistsException */
export async function startDeployed(secret: object, putStatus = 200): Promise<Deployed> {
  const asked: string[] = [];
  const version = { VersionId: 'v1', CreatedDate: Date.UTC(2026, 0, 1) / 1_000 };
  const answer = (operation: string, response: ServerResponse): void => {
    const [, name] = operation.split('.');
    response.setHeader('content-type', name ? 'application/x-amz-json-1.1' : 'text/xml');
    if (name === 'GetSecretValue')
      response.end(JSON.stringify({ SecretString: JSON.stringify(secret), ...version }));
    else if (name === 'PutSecretValue')
      response.writeHead(putStatus).end(JSON.stringify({ __type: 'ResourceExistsException' }));
    else response.end(OUTPUTS);
  };
  const server = createServer((request: IncomingMessage, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => {
      asked.push(body);
      answer(String(request.headers['x-amz-target'] ?? ''), response);
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
