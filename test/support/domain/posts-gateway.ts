/**
 * A gateway on the loopback that takes posts, remembers them, and answers as it is told.
 * @module
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

export interface TakenPost {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A status, or none: `hang` says nothing, `reset` cuts the connection. */
export type Answer = number | 'hang' | 'reset';

export interface PostsGateway {
  readonly endpoint: string;
  /** Whole posts, in the order in which they came. */
  readonly posts: readonly TakenPost[];
  readonly sockets: () => number;
  /** The most that were being answered at one time. */
  readonly mostAtOnce: () => number;
}

/** @param answer for the post and how many came before it; the gateway ends with the test */
export async function postsGateway(
  answer: (post: TakenPost, before: number) => Answer | Promise<Answer>,
  closesEach = false,
): Promise<PostsGateway> {
  const posts: TakenPost[] = [];
  const sockets = new Set<Socket>();
  let atOnce = 0;
  let mostAtOnce = 0;
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    mostAtOnce = Math.max(mostAtOnce, ++atOnce);
    const { method, url: path, headers } = request;
    const post = { method, path, headers, body: await text(request) };
    const said = await answer(post, posts.push(post) - 1);
    atOnce--;
    if (said === 'reset') request.socket.resetAndDestroy();
    if (typeof said !== 'number') return;
    if (closesEach) response.setHeader('Connection', 'close');
    response.writeHead(said).end(said === 200 ? '' : JSON.stringify({ message: 'as told' }));
  };
  // What the client cut off has no one to be told of.
  const server = createServer((request, response) => void serve(request, response).catch(() => {}));
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the gateway has no port');
  return {
    endpoint: `http://127.0.0.1:${address.port}/ws`,
    posts,
    sockets: () => sockets.size,
    mostAtOnce: () => mostAtOnce,
  };
}
