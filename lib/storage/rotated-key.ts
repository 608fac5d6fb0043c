/**
 * A key that Secrets Manager generates and the operator rotates. The key before it stays valid.
 * @module
 */
import { type RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';

/** 64 of 62 characters: 380 bits, where HS256 and AES-256 need 256. */
const KEY_LENGTH = 64;

/** Adds a key. @param unscheduled the reason for cdk-nag why Secrets Manager does not rotate it on a schedule */
export function rotatedKey(
  scope: Construct,
  id: string,
  removalPolicy: RemovalPolicy,
  { description, unscheduled }: { readonly description: string; readonly unscheduled: string },
): secretsmanager.Secret {
  const secret = new secretsmanager.Secret(scope, id, {
    description,
    generateSecretString: {
      secretStringTemplate: JSON.stringify({ previous: '' }),
      generateStringKey: 'current',
      passwordLength: KEY_LENGTH,
      excludePunctuation: true,
    },
    removalPolicy,
  });
  Validations.of(secret).acknowledge({ id: 'AwsSolutions-SMG4', reason: unscheduled });
  return secret;
}
