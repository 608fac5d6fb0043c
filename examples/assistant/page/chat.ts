/**
 * The chat of the AI SDK for Preact. With React it is `useChat({ transport, resume: true })`.
 * @module
 */
import { createDurableChatTransport } from '@durable-streams/aisdk-transport';
import { AbstractChat, type ChatState, type ChatStatus, type UIMessage } from 'ai';

/** A chat that tells a page each change. */
export class PageChat extends AbstractChat<UIMessage> {
  constructor(messages: UIMessage[], onChange: () => void) {
    super({
      id: 'mine',
      transport: createDurableChatTransport({ api: '/chat' }),
      state: stateOf(messages, onChange),
    });
  }
}

function stateOf(first: UIMessage[], onChange: () => void): ChatState<UIMessage> {
  let status: ChatStatus = 'ready';
  let error: Error | undefined;
  let messages = first;
  return {
    get status() {
      return status;
    },
    set status(next) {
      status = next;
      onChange();
    },
    get error() {
      return error;
    },
    set error(next) {
      error = next;
      onChange();
    },
    get messages() {
      return messages;
    },
    set messages(next) {
      messages = next;
      onChange();
    },
    pushMessage(message) {
      this.messages = [...messages, message];
    },
    popMessage() {
      this.messages = messages.slice(0, -1);
    },
    replaceMessage(index, message) {
      // A copy, because the SDK goes on with the same object.
      this.messages = messages.with(index, structuredClone(message));
    },
    snapshot: (value) => structuredClone(value),
  };
}
