/**
 * A page in strict mode that uses the hooks and shows all they say.
 * @module
 */

/** Returns the code of the page. It has one room, which buttons rename, hide, show, exchange and remove. */
export const ROOM = ({ url, token }: { readonly url: string; readonly token: string }): string => `
import { Activity, createElement as h, StrictMode, useState, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';
import { connect } from 'tidings-client';
import { useChannel, usePresence } from 'tidings-client/react';

const real = connect(${JSON.stringify({ url, token })});
const count = { open: 0, made: 0, text: '', listeners: new Set() };
function counted() {
  count.text = count.open + ' of ' + count.made;
  for (const listener of count.listeners) listener();
}
const hub = {
  ...real,
  subscribe(channel, options) {
    count.open += 1;
    count.made += 1;
    counted();
    const subscription = real.subscribe(channel, options);
    return {
      get offset() { return subscription.offset; },
      close() {
        count.open -= 1;
        counted();
        subscription.close();
      },
    };
  },
};

const shown = (id, text) => h('p', { 'data-testid': id }, text);

function Room({ channel, name }) {
  // New objects with each render, as applications write them.
  const { messages, connection, error } = useChannel(hub, channel, { last: 10, keep: 5 });
  // Another channel: a subscription would keep this page among the members.
  const { members } = usePresence(hub, 'demo/lobby', { data: { name } });
  return h('div', null,
    shown('messages', messages.map(({ text }) => text).join(' ')),
    shown('state', connection.state),
    shown('members', members.map(({ data }) => data.name).join(' ')),
    shown('error', error?.code ?? ''));
}

function Page() {
  const [room, set] = useState({ channel: 'demo/room', name: 'Ada', mode: 'visible', isHere: true });
  const button = (text, change) => h('button', { onClick: () => set((before) => ({ ...before, ...change })) }, text);
  const subscriptions = useSyncExternalStore(
    (listener) => { count.listeners.add(listener); return () => count.listeners.delete(listener); },
    () => count.text);
  return h('div', null,
    button('Rename', { name: 'Grace' }), button('Hide', { mode: 'hidden' }), button('Show', { mode: 'visible' }),
    button('Other', { channel: 'no channel' }), button('Leave', { isHere: false }),
    shown('subscriptions', subscriptions),
    room.isHere && h(Activity, { mode: room.mode }, h(Room, room)));
}

createRoot(document.querySelector('main')).render(h(StrictMode, null, h(Page)));
`;
