/**
 * The secret by which the API knows the requests of the front door (docs/adr/0024). API Gateway has no other means: an HTTP API and a
 * WebSocket API have no resource policy and no web ACL, and without its own host name the API could not be the origin of CloudFront.
 * @module
 */
import { RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct, type IDependable } from 'constructs';
import { doorEnv } from '../../lambda/env.ts';
import { EDGE_DOOR } from '../../protocol/headers.ts';
import type { HubFunction } from '../functions/hub-function.ts';

/** 64 of 62 characters: more than 380 bits. */
const LENGTH = 64;

/** The secret. CloudFormation writes it into the distribution and into functions, so that no request needs a call for it. */
export class Door extends Construct {
  /** The header that the distribution adds to each request, over any that a viewer has sent. */
  readonly headers: Record<string, string>;
  readonly #environment: Record<string, string>;

  constructor(scope: Construct, id: string, stage: string) {
    super(scope, id);
    const secret = new secretsmanager.Secret(this, 'Secret', {
      description: `shows the functions of tidings:${stage} that a request has come by the front door`,
      generateSecretString: { passwordLength: LENGTH, excludePunctuation: true },
      removalPolicy: RemovalPolicy.DESTROY,
    });
    Validations.of(secret).acknowledge({
      id: 'AwsSolutions-SMG4',
      reason:
        'the distribution and the functions have the secret from the same deployment: after a rotation all requests would be refused',
    });
    // "Unsafe" only if the text of the secret were in the template. This is a reference, which CloudFormation resolves.
    const value = secret.secretValue.unsafeUnwrap();
    this.headers = { [EDGE_DOOR]: value };
    this.#environment = doorEnv.write({ DOOR: value });
  }

  /**
   * Lets a handler answer only what has come by the front door.
   * @param distribution is updated first: otherwise requests would be refused until each edge location adds the header
   */
  close(handler: HubFunction, distribution: IDependable): void {
    handler.configure(this.#environment);
    handler.function.node.addDependency(distribution);
  }

  /** Lets a handler open wake sockets, which do not go by the front door. */
  pass(handler: HubFunction): void {
    handler.configure(this.#environment);
  }
}
