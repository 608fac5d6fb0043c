/**
 * Answers the events of a WebSocket API: $connect, $disconnect and the frames between them (PROTOCOL.md §12).
 * @module
 */
import { Refusal } from '../../protocol/errors.ts';
import { tooMany } from '../hub/hold/caller-quota.ts';
import { type Disconnecting, noteOpening } from '../hub/push/disconnect.ts';
import { forget } from '../hub/push/subscribe.ts';
import { type Admission, admit, type Upgrade } from './admit.ts';
import { answerMessage, type SocketParts } from './answer-frame.ts';
import { frameRates } from './frame-rate.ts';
import { parseSocketEvent, type SocketResult } from './socket-event.ts';

/** The dependencies of the socket handler. */
export interface SocketHandlerOptions extends SocketParts, Admission, Pick<Disconnecting, 'disconnects'> {
  /** The most connections of one caller at a time. */
  readonly connectionsPerCaller: number;
  /** Ends a connection. */
  readonly close: (connection: string) => Promise<unknown>;
}

/** Makes the Lambda handler of a WebSocket API. */
export function socketHandler(options: SocketHandlerOptions): (event: unknown) => Promise<SocketResult> {
  const rateOf = frameRates();

  /**
   * Returns the answer to a frame. A client that goes on after its frames are refused is disconnected: the gateway has one rate
   * for the frames of all sockets, and this client would use most of it.
   */
  async function reply(connection: string, body: string): Promise<string> {
    const rate = rateOf(connection, Date.now());
    if (rate === 'flooding') await options.close(connection);
    return await answerMessage(options, connection, body, rate !== 'fine');
  }

  return async (event) => {
    const request = parseSocketEvent(event);
    switch (request.kind) {
      case 'connect':
        return await open(options, request);
      case 'message':
        return { statusCode: 200, body: await reply(request.connection, request.body) };
      case 'disconnect':
        await forget(options, request.connection);
        return { statusCode: 200 };
    }
  };
}

async function open(options: SocketHandlerOptions, upgrade: Upgrade): Promise<SocketResult> {
  const most = options.connectionsPerCaller;
  try {
    const { connection, subprotocol } = await admit(options, upgrade, Date.now());
    if (!(await noteOpening(options, connection, most))) throw tooMany(`${most} connections at a time`);
    return {
      statusCode: 200,
      ...(subprotocol ? { headers: { 'Sec-WebSocket-Protocol': subprotocol } } : {}),
    };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    options.logRefusal(error, { connection: upgrade.connection });
    return { statusCode: error.status, body: JSON.stringify(error) };
  }
}
