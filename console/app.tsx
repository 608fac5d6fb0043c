/**
 * The page: its head, its menu, and the part that the menu has selected. Without a session it asks for a token.
 * @module
 */
import { useCallback, useEffect, useState } from 'preact/hooks';
import { ChannelsPage } from './channels/channels-page.tsx';
import { ConnectionsPage } from './connections/connections-page.tsx';
import { HealthPage } from './health/health-page.tsx';
import { RacePage } from './race/race-page.tsx';
import type { Session } from './session.ts';
import { SignIn } from './sign-in.tsx';
import { WebhooksPage } from './webhooks/webhooks-page.tsx';

/** The parts of the page, by the fragment of the address. */
const PAGES = {
  race: { title: 'Race', Page: RacePage },
  channels: { title: 'Channels', Page: ChannelsPage },
  connections: { title: 'Connections', Page: ConnectionsPage },
  webhooks: { title: 'Webhooks', Page: WebhooksPage },
  health: { title: 'Health', Page: HealthPage },
} as const;

type PageName = keyof typeof PAGES;

const isPage = (name: string): name is PageName => Object.hasOwn(PAGES, name);
const selected = (): PageName => {
  const name = location.hash.slice(1);
  return isPage(name) ? name : 'race';
};

/** The whole page. */
export function App() {
  const [session, setSession] = useState<Session>();
  const [notice, setNotice] = useState('');
  const [page, setPage] = useState(selected);
  useEffect(() => {
    const change = () => setPage(selected());
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  const signOut = useCallback((reason: string) => {
    setSession(undefined);
    setNotice(reason);
  }, []);
  const onUnauthorized = useCallback(
    () =>
      signOut(
        'The hub does not accept the token any more: it has expired, or its key was replaced. Sign in again.',
      ),
    [signOut],
  );
  if (session === undefined) return <SignIn notice={notice} onSession={setSession} />;
  const { Page } = PAGES[page];
  return (
    <>
      <header class="bar">
        <span class="brand">Tidings</span>
        <nav aria-label="Pages">
          {Object.entries(PAGES).map(([name, { title }]) => (
            <a key={name} href={`#${name}`} aria-current={name === page ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <bdi class="host">{location.host}</bdi>
        <button type="button" class="quiet" onClick={() => signOut('')}>
          Sign out
        </button>
      </header>
      <Page session={session} onUnauthorized={onUnauthorized} />
    </>
  );
}
