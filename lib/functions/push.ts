/**
 * What pushes to sockets: a function behind the queue of hints. It may read the log, seal its gaps, post, end sockets
 * whose time has come, and publish the hints that the topic was too busy for.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { pushEnv } from '../../lambda/env.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';
import type { Socket } from './socket.ts';

/** Room for one round of the slowest kind (15 s, LAST_ROUND_MS in lambda/push.ts), and some seconds to begin others in. */
export const PUSH_TIMEOUT = Duration.seconds(25);

/** One whole CPU: signing and sending posts is all that it does. https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html */
const MEMORY_MB = 1_769;

export interface PushProps extends FunctionProps {
  readonly socket: Socket;
}

export class Push extends Construct {
  readonly door: HubFunction;

  constructor(scope: Construct, id: string, { config, log, subscribers, hints, socket }: PushProps) {
    super(scope, id);
    this.door = new HubFunction(this, 'Door', {
      handler: 'push',
      logRetention: config.logRetentionDays,
      timeout: PUSH_TIMEOUT,
      memoryMb: MEMORY_MB,
      // A long replay is handed on every few seconds, and who cannot take his frames is tried again, each time later.
      callsItself: true,
    });
    log.grantFollow(this.door);
    subscribers.grantPush(this.door);
    hints.grantHint(this.door);
    hints.grantJob(this.door);
    socket.grantPost(this.door);
    socket.grantEnd(this.door);
    this.door.configure(
      pushEnv.write({
        CURSORS_TABLE: subscribers.cursors.tableName,
        SOCKET_ENDPOINT: socket.stage.callbackUrl,
        POSTS_IN_FLIGHT: String(config.postsInFlight),
        POSTS_PER_SECOND: String(config.postsPerSecond),
      }),
    );
    hints.push.feed(this.door, config.maxPushes);
  }
}
