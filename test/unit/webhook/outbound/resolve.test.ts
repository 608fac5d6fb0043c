/**
 * Names are looked up with name servers, both families at once. Here a name server on the loopback knows a few names.
 * @module
 */
import { createSocket } from 'node:dgram';
import { expect, onTestFinished, test } from 'vitest';
import { resolverBy } from '../../../../lambda/webhook/outbound/resolve.ts';

const A = 1;
const AAAA = 28;
const NO_SUCH_NAME = 3;

/** The records by name and type: addresses as bytes. Two names have one family each. */
const RECORDS: Readonly<Record<string, Readonly<Record<number, readonly number[][]>>>> = {
  'both.example': {
    [A]: [
      [192, 0, 2, 1],
      [127, 0, 0, 1],
    ],
    [AAAA]: [[0x20, 1, 0x0d, 0xb8, ...Array(11).fill(0), 1]],
  },
  'old.example': { [A]: [[192, 0, 2, 7]] },
  'new.example': { [AAAA]: [[0x20, 1, 0x0d, 0xb8, ...Array(11).fill(0), 7]] },
  'mail.example': {},
};

/** Answers by RFC 1035. Each answer refers to the question for its name. */
async function nameServer(): Promise<{ readonly servers: string[]; readonly asked: string[] }> {
  const asked: string[] = [];
  const socket = createSocket('udp4', (query, { port, address }) => {
    const { name, end } = nameIn(query);
    const type = query.readUInt16BE(end);
    asked.push(name);
    const known = RECORDS[name];
    const records = known?.[type] ?? [];
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(known ? 0x8180 : 0x8180 | NO_SUCH_NAME, 2);
    header.writeUInt16BE(records.length, 6);
    header.fill(0, 8);
    const answers = records.map((data) =>
      Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length, ...data]),
    );
    socket.send(Buffer.concat([header, query.subarray(12, end + 4), ...answers]), port, address);
  });
  onTestFinished(() => void socket.close());
  await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound));
  return { servers: [`127.0.0.1:${socket.address().port}`], asked };
}

function nameIn(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

test.each([
  ['both.example', ['192.0.2.1', '127.0.0.1', '2001:db8::1']],
  ['old.example', ['192.0.2.7']],
  ['new.example', ['2001:db8::7']],
])('%s has its addresses of both families', async (name, expected) => {
  const { servers } = await nameServer();
  const found = await resolverBy(servers)(name);
  expect(found.map(({ address }) => address)).toEqual(expected);
  const families = found.map(({ address }) => (address.includes(':') ? 6 : 4));
  expect(found.map(({ family }) => family)).toEqual(families);
});

test.each([
  ['no.example', 'ENOTFOUND'],
  ['mail.example', 'ENODATA'],
])('%s fails with %s', async (name, code) => {
  const { servers } = await nameServer();
  await expect(resolverBy(servers)(name)).rejects.toMatchObject({ code });
});

test('localhost is the loopback, and no name server is asked', async () => {
  const { servers, asked } = await nameServer();
  for (const name of ['localhost', 'hub.localhost']) {
    const [first, second] = await resolverBy(servers)(name);
    expect([first?.address, second?.address]).toEqual(['127.0.0.1', '::1']);
  }
  expect(asked).toEqual([]);
});
