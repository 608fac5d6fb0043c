/**
 * The function that pushes to sockets, behind the queue of hints. It may read the log, seal gaps, post to sockets, end sockets
 * whose token has ended, and publish the hints for which the topic was too busy.
 * @module
 */
import { Construct } from 'constructs';
import { pushEnv } from '../../lambda/env.ts';
import { PUSH_TIMEOUT } from '../messaging/hints.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';
import type { Socket } from './socket.ts';

/** One whole CPU, because the function only signs and sends posts. https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html */
const MEMORY_MB = 1_769;

/** The common parts, and the API of the sockets. */
export interface PushProps extends FunctionProps {
  /** The API that the function posts to. */
  readonly socket: Socket;
}

/** The push function. */
export class Push extends Construct {
  /** The function that runs lambda/push.ts. */
  readonly handler: HubFunction;

  constructor(scope: Construct, id: string, { config, log, subscribers, hints, socket }: PushProps) {
    super(scope, id);
    this.handler = new HubFunction(this, 'Handler', {
      handler: 'push',
      config,
      timeout: PUSH_TIMEOUT,
      memoryMb: MEMORY_MB,
      // It sends itself jobs: every few seconds of a long replay, and for members that could not take a frame.
      callsItself: true,
    });
    log.grantFollow(this.handler);
    log.grantLatest(this.handler);
    subscribers.grantPush(this.handler);
    hints.grantHint(this.handler);
    hints.grantJob(this.handler);
    socket.grantPost(this.handler);
    socket.grantEnd(this.handler);
    this.handler.configure(
      pushEnv.write({
        CURSORS_TABLE: subscribers.cursors.tableName,
        SOCKET_ENDPOINT: socket.stage.callbackUrl,
        POSTS_IN_FLIGHT: String(config.postsInFlight),
        POSTS_PER_SECOND: String(config.postsPerSecond),
      }),
    );
    hints.push.feed(this.handler, config.maxPushes);
  }
}
