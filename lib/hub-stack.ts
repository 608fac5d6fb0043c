/**
 * The way of an event, in the order it travels: published through a door into the log, read through another.
 * @module
 */
import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { HubConfig } from './config.ts';
import { HttpApi } from './http-api.ts';
import type { LogStack } from './log-stack.ts';
import { Publish } from './publish.ts';
import { Read } from './read.ts';

export class HubStack extends Stack {
  constructor(scope: Construct, id: string, config: HubConfig, { log, tokenKeys }: LogStack) {
    super(scope, id, { description: 'Tidings: the doors through which events are published and read' });
    const publish = new Publish(this, 'Publish', { config, log, tokenKeys });
    const read = new Read(this, 'Read', { config, log, tokenKeys });
    const http = new HttpApi(this, 'Http', { config, publish: publish.door, read: read.door });
    new CfnOutput(this, 'HttpUrl', {
      value: http.url,
      description: 'publish and read at {HttpUrl}channels/{channel}',
    });
  }
}
