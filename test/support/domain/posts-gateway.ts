/**
 * A gateway on the loopback that takes posts, records them, and answers as the test wants.
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

/** A status, or no answer: `hang` sends nothing, `reset` cuts the connection. */
export type Answer = number | 'hang' | 'reset';

export interface PostsGateway {
  readonly endpoint: string;
  /** Whole posts, in the order in which they came. */
  readonly posts: readonly TakenPost[];
  readonly sockets: () => number;
  /** Returns the highest number of posts that were answered at the same time. */
  readonly mostAtOnce: () => number;
}

/** Starts a gateway that ends with the test. @param answer gets the post, and how many came before it */
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
    const answered = await answer(post, posts.push(post) - 1);
    atOnce--;
    if (answered === 'reset') request.socket.resetAndDestroy();
    if (typeof answered !== 'number') return;
    if (closesEach) response.setHeader('Connection', 'close');
    response.writeHead(answered).end(answered === 200 ? '' : JSON.stringify({ message: 'as told' }));
  };
  // An error means that the client has cut the connection, so there is no one to answer.
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
