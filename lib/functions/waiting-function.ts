/**
 * A function that holds requests, for long polls or for streams.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { heldEnv } from '../../lambda/env.ts';
import { allowOrigins } from '../gateways/origins.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';
import type { Socket } from './socket.ts';

/** The common parts, and the API of the wake sockets. */
export interface WakingProps extends FunctionProps {
  /** The API that the wake socket connects to. */
  readonly socket: Socket;
}

/** Half of the others, because a held request pays for its memory while it waits. */
const WAITING_MEMORY_MB = 256;

/** The differences between long polls and streams. */
export interface WaitingFunctionProps extends WakingProps {
  /** The file under lambda/ that is this function, without its suffix. */
  readonly handler: string;
  /** Seconds that the function may run. */
  readonly timeoutSeconds: number;
  /** Concurrency to reserve for readers, so that they leave some for publishers and pollers. 0 reserves nothing. */
  readonly reserved: number;
  /** Environment variables of this kind of function. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Adds a function that holds requests. */
export function waitingFunction(scope: Construct, props: WaitingFunctionProps): HubFunction {
  const { config, log, tokenKeys, subscribers, socket } = props;
  const handler = new HubFunction(scope, 'Handler', {
    handler: props.handler,
    config,
    timeout: Duration.seconds(props.timeoutSeconds),
    memoryMb: WAITING_MEMORY_MB,
    ...(props.reserved > 0 ? { reservedConcurrency: props.reserved } : {}),
  });
  log.grantRead(handler);
  log.grantLatest(handler);
  tokenKeys.grantVerify(handler);
  allowOrigins(handler);
  subscribers.grantWait(handler);
  socket.grantWake(handler);
  // If one caller may use the whole reservation, callers need not be counted. Without a reservation this quota bounds each caller.
  const isAll = props.reserved > 0 && config.heldPerCaller >= props.reserved;
  const perCaller = isAll ? 0 : config.heldPerCaller;
  handler.configure({ ...props.environment, ...heldEnv.write({ HELD_PER_CALLER: String(perCaller) }) });
  return handler;
}
