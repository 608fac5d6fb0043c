/**
 * Who is in a channel at this moment (PROTOCOL.md §14).
 * @module
 */
import { useEffect, useState } from 'preact/hooks';
import type { Hub } from '../../client/connect.ts';
import { asTidingsError, type TidingsError } from '../../client/errors.ts';
import type { PresenceMember } from '../../client/presence/presence.ts';
import { ForeignName, ForeignText } from '../foreign-text.tsx';
import { request } from '../session.ts';

interface Props {
  readonly hub: Hub;
  readonly channel: string;
  readonly token: string;
  readonly onProblem: (error: unknown) => void;
}

const SETTING = 'The operator of the hub lists the channels that have it, in the option tidings:presence.';

/** Why nothing can be shown. */
const WITHOUT: Readonly<Partial<Record<TidingsError['code'], string>>> = {
  route_not_found: `This hub has no presence. ${SETTING}`,
  bad_request: `This channel has no presence. ${SETTING}`,
};

/** The list. The page follows the channel, so it is a member itself. */
export function Members({ hub, channel, token, onProblem }: Props) {
  const [members, setMembers] = useState<readonly PresenceMember[]>();
  const [reason, setReason] = useState('');

  useEffect(() => {
    let leave: (() => void) | undefined;
    let isOver = false;
    function fail(error: unknown): void {
      const without = WITHOUT[asTidingsError(error).code];
      if (isOver) return;
      if (without === undefined) onProblem(error);
      else setReason(without);
    }
    // First a question: to enter a channel without presence would end the subscription by which the page follows it.
    request(token, `/presence/${channel}?limit=1`).then(() => {
      if (!isOver) leave = hub.presence(channel, { onChange: setMembers, onError: fail }).leave;
    }, fail);
    return () => {
      isOver = true;
      leave?.();
    };
  }, [hub, channel, token]);

  if (reason !== '') return <p class="hint">{reason}</p>;
  if (members === undefined)
    return (
      <p role="status" class="hint">
        Loading …
      </p>
    );
  return (
    <>
      <p class="hint" role="status">
        {members.length === 1 ? 'One member' : `${members.length} members`}. This page is one of them, because
        it follows the channel.
      </p>
      <ul class="members">
        {members.map((member) => (
          <Member key={member.key} member={member} />
        ))}
      </ul>
    </>
  );
}

function Member({ member: { key, principal, transport, since, data } }: { member: PresenceMember }) {
  return (
    <li>
      <p>
        <b>
          <ForeignName text={principal ?? 'no name'} />
        </b>{' '}
        <span class="about">
          by {transport}, since {new Date(since).toLocaleTimeString('en-GB')}, <ForeignName text={key} />
        </span>
      </p>
      {data !== null && <ForeignText text={JSON.stringify(data)} />}
    </li>
  );
}
