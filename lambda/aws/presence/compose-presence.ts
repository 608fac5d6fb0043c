/**
 * Presence in a deployed hub.
 * @module
 */
import { parsePresencePatterns } from '../../../protocol/presence.ts';
import { lookEnv, presenceEnv, rollEnv } from '../../env.ts';
import { presenceCopy } from '../../hub/presence/presence-copy.ts';
import type { MemberStore, Noting, Settling } from '../../hub/presence/presence-ports.ts';
import type { DocumentClient } from '../calls/document-calls.ts';
import { type LogSettings, publishingInLog } from '../compose-log.ts';
import type { HintSettings } from '../queues/send-hints.ts';
import { looksBySqs } from './look-messages.ts';
import { membersInDynamoDb, settleLeasesInDynamoDb } from './members-table.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The variable of `listenersEnv` (lambda/env.ts). */
interface MembersSettings {
  /** Name of the Subscribers table. */
  readonly SUBSCRIBERS_TABLE: string;
}

/** Returns what notes who comes and goes; undefined on a hub without presence. @param env of the process */
export function presenceInAws(
  env: Environment,
  client: DocumentClient,
  { SUBSCRIBERS_TABLE }: MembersSettings,
): Noting | undefined {
  const patterns = presenceEnv.readIfSet(env);
  if (!patterns) return undefined;
  return {
    patterns: parsePresencePatterns(JSON.parse(patterns.PRESENCE)),
    members: membersInDynamoDb(client, SUBSCRIBERS_TABLE),
    looks: looksBySqs(lookEnv.read(env).PRESENCE_QUEUE_URL),
    clock: Date.now,
  };
}

/** Returns what reads who is in a channel; undefined on a hub without presence. @param env of the process */
export function rollInAws(
  env: Environment,
  client: DocumentClient,
): { readonly patterns: readonly string[]; readonly members: MemberStore } | undefined {
  const settings = rollEnv.readIfSet(env);
  return (
    settings && {
      patterns: parsePresencePatterns(JSON.parse(settings.PRESENCE)),
      members: membersInDynamoDb(client, settings.SUBSCRIBERS_TABLE),
    }
  );
}

/** Returns what settles channels. */
export function settlingInAws(
  settings: LogSettings & HintSettings & MembersSettings & { readonly PRESENCE_QUEUE_URL: string },
  client: DocumentClient,
): Settling {
  const log = publishingInLog(settings, client);
  return {
    members: membersInDynamoDb(client, settings.SUBSCRIBERS_TABLE),
    looks: looksBySqs(settings.PRESENCE_QUEUE_URL),
    leases: settleLeasesInDynamoDb(client, settings.SUBSCRIBERS_TABLE),
    copy: presenceCopy(log),
    clock: log.clock,
    newId: log.newId,
  };
}
