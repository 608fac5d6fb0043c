import { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { watchFrames } from '../../../local/apigateway/frame-watch.ts';

interface Frame {
  readonly opcode: number;
  readonly final: boolean;
  readonly length: number;
}

function encode({ opcode, final, length }: Frame): Buffer {
  const head = Buffer.alloc(14, 0xff); // the mask looks like a head, if it is not skipped
  head.writeUInt8((final ? 0x80 : 0) | opcode, 0);
  let end = 2;
  if (length < 126) head.writeUInt8(0x80 | length, 1);
  else if (length < 65_536) {
    head.writeUInt8(0x80 | 126, 1);
    end = head.writeUInt16BE(length, 2);
  } else {
    head.writeUInt8(0x80 | 127, 1);
    end = head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head.subarray(0, end + 4), Buffer.alloc(length, 0x81)]);
}

const LIMIT = 200;
const data = fc.record({
  opcode: fc.constantFrom(0, 1),
  final: fc.boolean(),
  length: fc.oneof(fc.integer({ min: 0, max: 130 }), fc.constantFrom(LIMIT, LIMIT + 1, 65_535, 65_536)),
});
const control = fc.record({
  opcode: fc.constantFrom(9, 10),
  final: fc.constant(true),
  length: fc.nat(125),
});

describe('the watch of frames', () => {
  it('finds the first message with a large frame, in chunks of any size', () => {
    const frames = fc.array(fc.oneof(data, control), { maxLength: 12 });
    const cuts = fc.infiniteStream(
      fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 70_000 })),
    );
    fc.assert(
      fc.property(frames, cuts, (sent, sizes) => {
        const socket = new Socket();
        const watch = watchFrames(socket, LIMIT, () => {});
        const bytes = Buffer.concat(sent.map(encode));
        for (let at = 0; at < bytes.length; ) {
          const size = sizes.next().value ?? 1;
          socket.emit('data', bytes.subarray(at, at + size));
          at += size;
        }
        const parts = sent.filter(({ opcode }) => opcode < 8);
        const large = parts.findIndex(({ length }) => length > LIMIT);
        const before = large < 0 ? parts : parts.slice(0, large);
        const whole = before.filter(({ final }) => final).length;
        for (let count = 0; count < whole; count += 1) expect(watch.admits()).toBe(true);
        expect(watch.admits()).toBe(large < 0);
      }),
    );
  });

  it('calls back once', async () => {
    const socket = new Socket();
    let calls = 0;
    watchFrames(socket, LIMIT, () => {
      calls += 1;
    });
    const large = encode({ opcode: 1, final: true, length: LIMIT + 1 });
    socket.emit('data', large);
    expect(calls).toBe(0);
    await new Promise(process.nextTick);
    socket.emit('data', large);
    await new Promise(process.nextTick);
    expect(calls).toBe(1);
  });
});
