/**
 * The function behind /console. It has the page in its bundle, and may do nothing but write its log.
 * @module
 */
import { Construct } from 'constructs';
import { consoleEnv } from '../../lambda/env.ts';
import type { HubConfig } from '../config/config.ts';
import { HubFunction } from './hub-function.ts';

/** The URLs that the page connects to. */
export interface ConsoleProps {
  /** The options. */
  readonly config: HubConfig;
  /** The URL of the WebSocket API. */
  readonly socketUrl: string;
  /** The URL of the streams. */
  readonly streamUrl: string;
}

/** The function that serves the console. */
export class ConsolePage extends Construct {
  /** The function that runs lambda/console.ts. */
  readonly handler: HubFunction;

  constructor(scope: Construct, id: string, { config, socketUrl, streamUrl }: ConsoleProps) {
    super(scope, id);
    this.handler = new HubFunction(this, 'Handler', {
      handler: 'console',
      config,
    });
    // Behind the front door everything has one host. The function cannot know its name, because the front door is created after it.
    const urls = config.edge
      ? { SOCKET_URL: 'self', STREAM_URL: 'self' }
      : { SOCKET_URL: socketUrl, STREAM_URL: streamUrl };
    this.handler.configure(consoleEnv.write(urls));
  }
}
