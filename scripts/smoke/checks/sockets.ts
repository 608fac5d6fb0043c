/**
 * Sockets, with each way to send the token (PROTOCOL.md §12).
 * @module
 */

import { fieldsOf } from '../../../protocol/fields.ts';
import { subprotocolsFor } from '../../../protocol/subprotocol.ts';
import { type Check, expectThat } from '../check.ts';
import { describe, openSocket } from '../wire.ts';

/** A socket must open with each way to send the token. */
export const socketsByEachWay: Check = {
  number: 2,
  title: 'sockets by each way a token comes',
  expected: 'a socket that answers a ping, by the Authorization header, by a subprotocol and by a ticket',
  async run({ hub, ask }) {
    const { token, sockets } = hub;
    const answer = await ask('/tickets', { method: 'POST' });
    expectThat(answer.status === 201, `POST /tickets was answered ${await describe(answer.clone())}`);
    const { ticket } = fieldsOf(await answer.json());
    const ways = {
      'the Authorization header': [sockets, { headers: { Authorization: `Bearer ${token}` } }],
      'a subprotocol': [sockets, { protocols: subprotocolsFor(token) }],
      'a ticket': [`${sockets}?ticket=${String(ticket)}`, {}],
    } as const;
    for (const [way, [url, how]] of Object.entries(ways)) {
      const socket = await openSocket(url, how).catch((error: unknown) => {
        throw new Error(`by ${way}: ${error instanceof Error ? error.message : String(error)}`);
      });
      socket.send({ action: 'ping' });
      await socket.waitFor(({ type }) => type === 'pong');
      socket.close();
    }
    return 'a pong by each of them';
  },
};
