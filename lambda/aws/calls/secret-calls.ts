/**
 * Reading a secret from Secrets Manager. It is called once in minutes, but on the way of the first request of each process.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
 * @module
 */
import { jsonCallsTo } from './signed-calls.ts';

/** Returns a function that returns the text of a secret; undefined if it has none. */
export function secretCalls(): (secretArn: string) => Promise<string | undefined> {
  const get = jsonCallsTo({ service: 'secretsmanager', version: '1.1', prefix: 'secretsmanager' })(
    'GetSecretValue',
  );
  return async (secretArn) => {
    const { SecretString } = await get({ SecretId: secretArn });
    return typeof SecretString === 'string' ? SecretString : undefined;
  };
}
