/**
 * The keys that sign the hub's tokens. Secrets Manager generates them.
 * @module
 */
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { accessEnv } from '../../lambda/env.ts';
import type { LogOptions } from '../config/log-options.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { rotatedKey } from './rotated-key.ts';

/** The signing keys, and the audience of the tokens. */
export class TokenKeys extends Construct {
  /** The signing keys: `current` and `previous`. */
  readonly secret: secretsmanager.Secret;
  /** `aud` of the tokens for this hub. */
  readonly audience: string;

  constructor(scope: Construct, id: string, { stage, removalPolicy }: LogOptions) {
    super(scope, id);
    this.audience = `tidings:${stage}`;
    this.secret = rotatedKey(this, 'Secret', removalPolicy, {
      description: `signing keys of the tokens for ${this.audience}`,
      unscheduled:
        'a scheduled rotation would void every token in use at once: handlers accept a current and a previous key, and the operator decides when to rotate',
    });
  }

  /** Allows a handler to verify tokens, and sets what callers without a token may do. */
  grantVerify(handler: HubFunction): void {
    const environment = accessEnv.write({
      TOKEN_SECRET_ARN: this.secret.secretArn,
      TOKEN_AUDIENCE: this.audience,
      ANONYMOUS: JSON.stringify(handler.config.anonymous),
      ISSUER: JSON.stringify(handler.config.issuer ?? null),
    });
    handler.grant(['secretsmanager:GetSecretValue'], this.secret.secretArn, environment);
  }
}
