/**
 * A function that waits for readers' sake: long polls and streams are made alike.
 * @module
 */
import { Duration } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { heldEnv } from '../../lambda/env.ts';
import { admitOrigins } from '../gateways/origins.ts';
import type { FunctionProps } from './function-props.ts';
import { HubFunction } from './hub-function.ts';
import type { Socket } from './socket.ts';

/** What a door that waits is made with. */
export interface WakingProps extends FunctionProps {
  readonly socket: Socket;
}

/** A held read waits, and pays for the memory that it waits with. */
const WAITING_MEMORY_MB = 256;

export interface WaitingFunctionProps extends WakingProps {
  readonly door: string;
  readonly timeoutSeconds: number;
  /** Concurrency to reserve for readers, so that they leave room for publishers and pollers. 0 reserves nothing. */
  readonly atATime: number;
  readonly environment: Readonly<Record<string, string>>;
}

export function waitingFunction(scope: Construct, props: WaitingFunctionProps): HubFunction {
  const { config, log, tokenKeys, subscribers, socket } = props;
  const door = new HubFunction(scope, 'Door', {
    handler: props.door,
    logRetention: config.logRetentionDays,
    timeout: Duration.seconds(props.timeoutSeconds),
    memoryMb: WAITING_MEMORY_MB,
    ...(props.atATime > 0 ? { reservedConcurrency: props.atATime } : {}),
  });
  log.grantRead(door);
  tokenKeys.grantVerify(door);
  admitOrigins(door, config);
  subscribers.grantWait(door);
  socket.grantWake(door);
  // If one caller may use the whole reservation, callers need not be counted. Without a reservation this quota bounds each caller.
  const isAll = props.atATime > 0 && config.heldPerCaller >= props.atATime;
  const perCaller = isAll ? 0 : config.heldPerCaller;
  door.configure({ ...props.environment, ...heldEnv.write({ HELD_PER_CALLER: String(perCaller) }) });
  return door;
}
