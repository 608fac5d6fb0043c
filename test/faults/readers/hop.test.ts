/**
 * One cursor, four transports, and a platform in chaos mode: no message is lost, repeated or out of order.
 * The long form is `npm run bench -- hop`.
 * @module
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hop } from '../../../bench/hop.ts';
import { chaosMode } from '../../../local/faults/chaos.ts';
import { type RunningHub, startHub } from '../../../scripts/hub/local-hub.ts';
import { seededRandom } from '../../support/domain/random.ts';
import { share } from '../../support/thorough.ts';
import { saveGrants } from '../../support/wire/grants.ts';
import { newChannel } from '../../support/wire/wire.ts';

const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);

let running: RunningHub;
beforeAll(async () => {
  // A stream uses its process for its whole lifetime, also after its reader has changed transport. Short streams leave the machine room.
  running = await startHub({ chaos: chaosMode(SEED), context: { 'tidings:streamSeconds': 5 } });
});
afterAll(async () => {
  await saveGrants('hop', running.stack.control);
  await running.close();
});

test.each(['beginning', 'last', 'latest'] as const)(
  'clients that begin at %s and change transports at random lose, repeat and reorder nothing',
  async (start) => {
    const { url, socketUrl = '' } = running.stack;
    const result = await hop({
      url,
      socketUrl,
      token: running.token,
      channel: newChannel(),
      clients: 12,
      messages: share(1_000),
      pauseMs: 30,
      start,
      random: seededRandom(SEED),
    });
    console.info(`hop: seed ${SEED}, ${JSON.stringify(result)}`);
    expect(result, `seed ${SEED}`).toMatchObject({ lost: 0, doubled: 0, outOfOrder: 0 });
    for (const messages of Object.values(result.messagesBy)) expect(messages).toBeGreaterThan(0);
  },
  240_000,
);
