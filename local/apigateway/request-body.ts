/**
 * Reads request bodies up to a limit.
 * @module
 */
import type { IncomingMessage } from 'node:http';

/** Time that a client has to send the rest of a body that is too large, in milliseconds. */
const DRAIN_MS = 10_000;

/**
 * Returns the body, or undefined if it has more bytes than `limit`. The rest of a larger body is read and dropped first: if the
 * connection closed while the client still sends, the client would see a reset and not the 413.
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let drain: NodeJS.Timeout | undefined;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) return void chunks.push(chunk);
      chunks.length = 0;
      drain ??= setTimeout(() => resolve(undefined), DRAIN_MS).unref();
    });
    request.on('end', () => {
      clearTimeout(drain);
      const [only, ...rest] = chunks;
      if (size > limit) resolve(undefined);
      else resolve(only !== undefined && rest.length === 0 ? only : Buffer.concat(chunks, size));
    });
    request.on('error', (error) => {
      clearTimeout(drain);
      reject(error);
    });
  });
}

/** Returns the bytes of the request line and the headers, as they were sent. */
export function headBytes(request: IncomingMessage): number {
  const SEPARATORS = 4; // ": " and the line end
  let size = `${request.method} ${request.url} HTTP/1.1\r\n\r\n`.length;
  const raw = request.rawHeaders;
  for (const part of raw) size += part.length;
  return size + (raw.length / 2) * SEPARATORS;
}
