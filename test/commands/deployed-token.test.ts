/**
 * `npm run token -- --stage`: the calls that it makes to AWS, held against a stand-in that speaks their wire formats.
 * @module
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { resolve } from 'node:path';
import { decodeJwt, jwtVerify } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';

const KEY = 'k'.repeat(64);
const OUTPUTS = `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>
<StackName>tidings-prod-log</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>
<member><OutputKey>TokenSecretArn</OutputKey><OutputValue>arn:secret</OutputValue></member>
<member><OutputKey>TokenAudience</OutputKey><OutputValue>tidings:prod</OutputValue></member>
</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;

const asked: string[] = [];
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += String(chunk);
  });
  request.on('end', () => {
    asked.push(body);
    const forSecret = request.headers['x-amz-target'] === 'secretsmanager.GetSecretValue';
    response.setHeader('content-type', forSecret ? 'application/x-amz-json-1.1' : 'text/xml');
    response.end(
      forSecret ? JSON.stringify({ SecretString: JSON.stringify({ current: KEY, previous: '' }) }) : OUTPUTS,
    );
  });
});

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => void server.close());

test('finds the key by the outputs of the stack and mints for its audience', async () => {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const args = ['--stage', 'prod', '--capability', '{"a":["publish"]}', '--ttl', '30d'];
  const child = spawn(process.execPath, [resolve('scripts/token.ts'), ...args], {
    env: {
      ...process.env,
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    },
  });
  let token = '';
  child.stdout.on('data', (chunk) => {
    token += String(chunk);
  });
  await once(child, 'close');
  expect(asked[0]).toContain('StackName=tidings-prod-log');
  expect(asked[1]).toContain('arn:secret');
  const { payload } = await jwtVerify(token.trim(), new TextEncoder().encode(KEY), {
    audience: 'tidings:prod',
  });
  expect(payload.capability).toEqual({ a: ['publish'] });
  expect(decodeJwt(token.trim()).exp).toBe((payload.iat ?? 0) + 30 * 86_400);
});
