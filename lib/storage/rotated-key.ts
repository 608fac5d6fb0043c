/**
 * A key that Secrets Manager makes and nobody knows, and that the operator rotates: what the one before it made stays good.
 * @module
 */
import { RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { HubConfig } from '../config/config.ts';

/** 64 of 62 characters: 380 bits, where HS256 and AES-256 need 256. */
const KEY_LENGTH = 64;

/** @param unscheduled why Secrets Manager does not rotate it by itself, as cdk-nag is told */
export function rotatedKey(
  scope: Construct,
  id: string,
  { throwAway }: HubConfig,
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
    removalPolicy: throwAway ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
  });
  Validations.of(secret).acknowledge({ id: 'AwsSolutions-SMG4', reason: unscheduled });
  return secret;
}
