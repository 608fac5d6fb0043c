/**
 * The backend of the assistant: each answer of the model is a channel. The AI SDK writes it there, and the page reads it from there, so
 * an answer goes on without a page, and a page that comes back reads it from its beginning.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { toDurableStreamResponse } from '@durable-streams/aisdk-transport';
import { convertToModelMessages, safeValidateUIMessages, streamText, type UIMessage } from 'ai';
import type { Hono } from 'hono';
import { hubOfEnvironment, startApplication, type Visitor, type VisitorOf } from '../shared/application.ts';
import { scriptedModel } from './scripted-model.ts';

/** The conversation of a visitor. Your application has it in its database. */
interface Chat {
  readonly messages: readonly UIMessage[];
  /** The channels of the answers, the oldest first. */
  readonly answers: readonly string[];
  /** True while the last answer is being written. */
  readonly isAnswering: boolean;
}

const hub = hubOfEnvironment();
const chats = new Map<string, Chat>();
const NO_CHAT: Chat = { messages: [], answers: [], isAnswering: false };
const chatOf = (visitor: Visitor | undefined): Chat => chats.get(visitor?.id ?? '') ?? NO_CHAT;

function addRoutes(app: Hono, visitorOf: VisitorOf): void {
  app.get('/chat', (context) => context.json(chatOf(visitorOf(context)).messages));

  app.post('/chat', async (context) => {
    const visitor = visitorOf(context);
    if (visitor === undefined) return context.text('Sign in first.', 401);
    const before = chatOf(visitor);
    if (before.isAnswering) return context.text('The last answer is not complete yet.', 409);
    const body: unknown = await context.req.json().catch(() => undefined);
    const valid = await safeValidateUIMessages({ messages: Object(body).messages });
    if (!valid.success) return context.text('These are no messages of the AI SDK.', 400);
    return await answer(visitor.id, before, valid.data);
  });

  // The transport asks here after a reload.
  app.get('/chat/:id/stream', (context) => {
    const { answers, isAnswering } = chatOf(visitorOf(context));
    return isAnswering ? context.json({ streamUrl: `/answers/${answers.at(-1)}` }) : context.body(null, 204);
  });

  // The transport reads without a token of the hub, so the backend reads for it, with one that allows this visitor's answer.
  app.get('/answers/:channel{demo/assistant/[0-9a-f-]+}', async (context) => {
    const visitor = visitorOf(context);
    const channel = context.req.param('channel');
    if (visitor === undefined || !chatOf(visitor).answers.includes(channel))
      return context.text('This is not your answer.', 403);
    const token = await hub.tokenFor(visitor.id, { [channel]: ['subscribe'] });
    const { search, searchParams } = new URL(context.req.url);
    const base = searchParams.has('live') ? (hub.streamUrl ?? hub.url) : hub.url;
    const { status, headers, body } = await fetch(`${base}/v1/stream/${channel}${search}`, {
      headers: { Authorization: `Bearer ${token}`, Accept: context.req.header('Accept') ?? '*/*' },
      signal: context.req.raw.signal,
    });
    const passed = [...headers].filter(([name]) =>
      /^(content-type|stream-.*|cache-control|etag)$/.test(name),
    );
    return new Response(body, { status, headers: passed });
  });
}

/** Lets the model answer on a new channel. Returns where the page can read the answer. */
async function answer(visitor: string, before: Chat, messages: UIMessage[]): Promise<Response> {
  const channel = `demo/assistant/${randomUUID()}`;
  const answers = [...before.answers, channel];
  chats.set(visitor, { messages, answers, isAnswering: true });
  try {
    const source = streamText({
      // The only line that another model changes.
      model: scriptedModel,
      messages: await convertToModelMessages(messages),
    }).toUIMessageStream({
      originalMessages: messages,
      generateMessageId: randomUUID,
      onFinish: ({ messages: all }) =>
        void chats.set(visitor, { messages: all, answers, isAnswering: false }),
    });
    return await toDurableStreamResponse({
      source,
      stream: {
        writeUrl: `${hub.url}/v1/stream/${channel}`,
        readUrl: `/answers/${channel}`,
        headers: { Authorization: `Bearer ${await hub.tokenFor(visitor, { [channel]: ['publish'] })}` },
      },
    });
  } catch (error) {
    chats.set(visitor, before);
    throw error;
  }
}

await startApplication(hub, {
  title: 'Assistant',
  folder: import.meta.dirname,
  // The page never talks to the hub itself.
  rightsOf: () => ({}),
  routes: addRoutes,
});
