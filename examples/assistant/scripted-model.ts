/**
 * A model that costs nothing: it writes the same answer to every question, word by word, as slowly as a real one.
 * @module
 */
import { simulateReadableStream } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';

/** Time between two words, in milliseconds. */
const WORD_MS = 50;

const ANSWER = `I am a scripted model, and each of my words is a message of a channel. The backend writes them there \
by the AI SDK, and your page reads them from there. So this answer does not need your page. Reload it now, or close it and open it \
again: it begins with my first word, and goes on where I am. Nothing is generated twice, and nothing is paid for twice. If the page \
loses its network, it continues from its offset. When I am done, the channel is closed, and every reader knows that the answer is \
complete. This is the end.`;

/** The model. */
export const scriptedModel = new MockLanguageModelV3({
  doStream: async () => ({
    stream: simulateReadableStream({
      chunkDelayInMs: WORD_MS,
      chunks: [
        { type: 'stream-start', warnings: [] },
        { type: 'text-start', id: 'answer' },
        ...ANSWER.split(/(?<= )/).map((delta) => ({ type: 'text-delta' as const, id: 'answer', delta })),
        { type: 'text-end', id: 'answer' },
        {
          type: 'finish',
          finishReason: { unified: 'stop', raw: undefined },
          usage: {
            inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
            outputTokens: { total: 0, text: 0, reasoning: 0 },
          },
        },
      ],
    }),
  }),
});
