/**
 * The stack of the fixture `app`. Its function `Work` calls AWS with its own credentials; the test says what.
 * @module
 */
import { type LocalStack, startLocalStack } from '../../local/stack.ts';
import { isObject, type JsonObject } from '../../local/template/json.ts';
import { synthesizeFixture } from './support.ts';

/** The calls of the function: one operation with one or two inputs. */
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
  /** Invokes the function, whose default operation is `PutItem`. The body has the status and the body of its call. */
  work(what: Work, url?: string): Promise<Response>;
  control(path: string, init?: RequestInit): Promise<Response>;
  /** Returns the records at a path of the control endpoints. */
  records(path: string): Promise<JsonObject[]>;
  /** Returns the input of `PutItem` for the item with that name. */
  item(name: string): { TableName: string | undefined; Item: ReturnType<typeof key> };
  /** Returns the input of `GetItem` for the item with that name. */
  lookup(name: string): { TableName: string | undefined; Key: ReturnType<typeof key>; ConsistentRead: true };
  /** Removes all faults and counts. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Returns the key of the item with that name. */
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
