/**
 * The keys that sign the hub's tokens. Secrets Manager generates them.
 * @module
 */
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { accessEnv } from '../../lambda/env.ts';
import type { HubConfig } from '../config/config.ts';
import type { HubFunction } from '../functions/hub-function.ts';
import { rotatedKey } from './rotated-key.ts';

/** The signing keys, and what else the check of tokens depends on. */
export class TokenKeys extends Construct {
  /** The signing keys: `current` and `previous`. */
  readonly secret: secretsmanager.Secret;
  /** `aud` of the tokens for this hub. */
  readonly audience: string;
  readonly #anonymous: string;
  readonly #issuer: string;

  constructor(scope: Construct, id: string, config: HubConfig) {
    super(scope, id);
    this.audience = `tidings:${config.stage}`;
    this.#anonymous = JSON.stringify(config.anonymous);
    this.#issuer = JSON.stringify(config.issuer ?? null);
    this.secret = rotatedKey(this, 'Secret', config, {
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
      ANONYMOUS: this.#anonymous,
      ISSUER: this.#issuer,
    });
    handler.grant(['secretsmanager:GetSecretValue'], this.secret.secretArn, environment);
  }
}
