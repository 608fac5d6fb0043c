/**
 * The stack of the fixture `app` with its function `Work`, which calls AWS with its own credentials, as the test says.
 * @module
 */
import { type LocalStack, startLocalStack } from '../../local/stack.ts';
import { isObject, type JsonObject } from '../../local/template/json.ts';
import { synthesizeFixture } from './support.ts';

/** What the function shall call: one operation, once or with two inputs. */
export interface Work {
  readonly service?: string;
  readonly target?: string;
  readonly input: object;
  readonly twice?: object;
}

export interface WorkStack {
  readonly stack: LocalStack;
  /** Directory of the cloud assembly. */
  readonly assembly: string;
  /** Settings of an SDK client with the admin key. */
  readonly settings: {
    endpoint: string;
    region: string;
    maxAttempts: number;
    credentials: { accessKeyId: string; secretAccessKey: string };
  };
  /** Has the function call AWS; the default operation is `PutItem`. Answers with its status and body. */
  work(what: Work, url?: string): Promise<Response>;
  control(path: string, init?: RequestInit): Promise<Response>;
  /** The records at a path of the control endpoint. */
  records(path: string): Promise<JsonObject[]>;
  /** Input of `PutItem` for the item of that name. */
  item(name: string): { TableName: string | undefined; Item: ReturnType<typeof key> };
  /** Input of `GetItem` for the item of that name. */
  lookup(name: string): { TableName: string | undefined; Key: ReturnType<typeof key>; ConsistentRead: true };
  /** Removes all faults and counts. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Key of the item of that name. */
export const key = (name: string) => ({ pk: { S: name }, sk: { S: 'a' } });

/** Starts the stack. */
export async function startWorkStack(): Promise<WorkStack> {
  const fixture = await synthesizeFixture();
  const stack = await startLocalStack({ assembly: fixture.assembly });
  const { endpoint, region, accessKeyId, secretAccessKey } = stack.aws;
  const { TableName } = stack.outputs;
  const control = (path: string, init?: RequestInit) => fetch(`${stack.control}/${path}`, init);
  return {
    stack,
    assembly: fixture.assembly,
    settings: { endpoint, region, maxAttempts: 1, credentials: { accessKeyId, secretAccessKey } },
    work({ service = 'dynamodb', target = 'DynamoDB_20120810.PutItem', input, twice }, url = stack.url) {
      return fetch(`${url}/work`, {
        method: 'POST',
        body: JSON.stringify({ service, target, input, twice }),
      });
    },
    control,
    async records(path) {
      const value: unknown = await (await control(path)).json();
      return Array.isArray(value) ? value.filter(isObject) : [];
    },
    item: (name) => ({ TableName, Item: key(name) }),
    lookup: (name) => ({ TableName, Key: key(name), ConsistentRead: true }),
    async reset() {
      for (const path of ['faults', 'calls']) await control(path, { method: 'DELETE' });
    },
    async close() {
      await stack.close();
      fixture.remove();
    },
  };
}
