import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalStack, startLocalStack } from '../../local/stack.ts';
import { startHosted } from './hosted.ts';
import { jsonOf, resourceOf, synthesizeFixture, tamper, temporaryDirectory } from './support.ts';

let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
beforeAll(async () => {
  fixture = await synthesizeFixture();
});
afterAll(() => fixture.remove());

const settingsOf = ({ aws }: LocalStack) => ({
  endpoint: aws.endpoint,
  region: aws.region,
  maxAttempts: 1,
  credentials: { accessKeyId: aws.accessKeyId, secretAccessKey: aws.secretAccessKey },
});

async function secretOf(stack: LocalStack): Promise<string | undefined> {
  const client = new SecretsManagerClient(settingsOf(stack));
  const { SecretString } = await client.send(
    new GetSecretValueCommand({ SecretId: stack.outputs.SecretArn }),
  );
  client.destroy();
  return SecretString;
}

describe('with a data directory', () => {
  let data: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    data = temporaryDirectory();
  });
  afterEach(() => data.remove());
  const start = (assembly = fixture.assembly) => startLocalStack({ assembly, data: join(data.path, 'kept') });
  const Key = { pk: { S: 'kept' }, sk: { S: 'a' } };

  it('the next start finds tables and secrets', async () => {
    const first = await start();
    const client = new DynamoDBClient(settingsOf(first));
    await client.send(new PutItemCommand({ TableName: first.outputs.TableName, Item: Key }));
    client.destroy();
    const secret = await secretOf(first);
    await first.close();

    const second = await start();
    const again = new DynamoDBClient(settingsOf(second));
    const { Item } = await again.send(new GetItemCommand({ TableName: second.outputs.TableName, Key }));
    again.destroy();
    expect(Item).toEqual(Key);
    expect(await secretOf(second)).toBe(secret);
    await second.close();
  });

  it('no acknowledged write is lost when the stack is killed', async () => {
    const host = await startHosted(fixture.assembly, join(data.path, 'kept'));
    const { url } = host;
    const { TABLE } = await jsonOf(await fetch(`${url}/trouble`, { method: 'POST', body: 'env' }));
    const target = 'DynamoDB_20120810.PutItem';
    const body = JSON.stringify({
      service: 'dynamodb',
      target,
      input: { TableName: TABLE, Item: Key },
    });
    const answer = await jsonOf(await fetch(`${url}/work`, { method: 'POST', body }));
    expect(answer).toEqual({ status: 200, body: {} });
    await host.end('SIGKILL');
    const stack = await start();
    const client = new DynamoDBClient(settingsOf(stack));
    const { Item } = await client.send(new GetItemCommand({ TableName: stack.outputs.TableName, Key }));
    client.destroy();
    expect(Item).toEqual(Key);
    await stack.close();
  });

  it('the next start finds a new value of a secret', async () => {
    const first = await start();
    const client = new SecretsManagerClient(settingsOf(first));
    const put = new PutSecretValueCommand({ SecretId: first.outputs.SecretArn, SecretString: 'new' });
    await client.send(put);
    client.destroy();
    expect(await secretOf(first)).toBe('new');
    await first.close();
    const second = await start();
    expect(await secretOf(second)).toBe('new');
    await second.close();
  });

  it('secrets are readable by their owner only', async () => {
    await (await start()).close();
    const file = join(data.path, 'kept', 'secrets.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    chmodSync(file, 0o644);
    await (await start()).close();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['cut short', (text: string) => text.slice(0, 40), 'is damaged: it is not a JSON object'],
    ['emptied', () => '', 'is damaged: it is not a JSON object'],
    ['without secrets', () => '{}', 'is damaged: it is empty'],
    ['without a value', (text: string) => text.replace('"value"', '"valve"'), 'it has no whole secret'],
    ['removed', () => undefined, 'is missing'],
  ])('a file of secrets that was %s is refused, not replaced', async (_, damage, sentence) => {
    const first = await start();
    const secret = await secretOf(first);
    await first.close();
    const file = join(data.path, 'kept', 'secrets.json');
    const whole = readFileSync(file, 'utf8');
    const damaged = damage(whole);
    if (damaged === undefined) rmSync(file);
    else writeFileSync(file, damaged);
    await expect(start()).rejects.toThrow(sentence);
    await expect(start()).rejects.toThrow(
      /put back a copy of it, or remove .*kept to begin with new secrets/,
    );
    if (damaged !== undefined) expect(readFileSync(file, 'utf8')).toBe(damaged);

    writeFileSync(file, whole);
    const again = await start();
    expect(await secretOf(again)).toBe(secret);
    await again.close();
  });

  it('tables without the file CURRENT are refused, not replaced', async () => {
    await (await start()).close();
    const tables = join(data.path, 'kept', 'dynamodb');
    const before = readdirSync(tables).filter((name) => name !== 'CURRENT');
    rmSync(join(tables, 'CURRENT'));
    await expect(start()).rejects.toThrow(/^the tables in .* are damaged: the file CURRENT is missing/);
    expect(readdirSync(tables)).toEqual(before);
  });

  it('a secret that cannot be stored does not change', async () => {
    const first = await start();
    const secret = await secretOf(first);
    // A directory with the name of the file to which the new values are written.
    mkdirSync(join(data.path, 'kept', 'secrets.json.new'));
    const client = new SecretsManagerClient(settingsOf(first));
    const put = new PutSecretValueCommand({ SecretId: first.outputs.SecretArn, SecretString: 'new' });
    await expect(client.send(put)).rejects.toThrow();
    client.destroy();
    expect(await secretOf(first)).toBe(secret);
    await first.close();
  });

  it('a table with other keys is refused', async () => {
    await (await start()).close();
    const copy = tamper(fixture.assembly, 'State', (template) => {
      const { properties } = resourceOf(template, 'AWS::DynamoDB::GlobalTable');
      properties.KeySchema = [{ AttributeName: 'owner', KeyType: 'HASH' }];
    });
    await expect(start(copy.assembly)).rejects.toThrow(
      /has other keys or indexes than the stored table: remove/,
    );
    copy.remove();
  });

  it('a second stack with the same directory is refused', async () => {
    const first = await start();
    await expect(start()).rejects.toThrow(
      /^the tables in .* cannot be opened, they may be in use by another process: /,
    );
    await first.close();
  });
});

it('without a data directory each start begins empty', async () => {
  const secrets: (string | undefined)[] = [];
  for (const _ of [1, 2]) {
    const stack = await startLocalStack({ assembly: fixture.assembly });
    secrets.push(await secretOf(stack));
    await stack.close();
  }
  expect(new Set(secrets).size).toBe(2);
});

describe('port', () => {
  it('is that of the options, even right after another stack has closed it', async () => {
    const first = await startLocalStack({ assembly: fixture.assembly });
    const port = Number(new URL(first.url).port);
    await (await fetch(`${first.url}/echo`)).text();
    await first.close();
    const second = await startLocalStack({ assembly: fixture.assembly, port });
    expect(new URL(second.url).port).toBe(String(port));
    await second.close();
  });

  it('that is in use is refused with one sentence', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(startLocalStack({ assembly: fixture.assembly, port })).rejects.toThrow(
      `port ${port} of 127.0.0.1 is taken, so the HTTP API Front/Api cannot use it: choose another, or 0 for a free one`,
    );
    await new Promise((resolve) => other.close(resolve));
  });
});
