/**
 * The Channels table: one item per channel, key `channel`. A reservation is ONE UpdateItem, so the 1,000 write units a
 * second of a partition are about 1,000 publishes a second on one channel.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
 * @module
 */
import {
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { type Channel, mediaType } from '../hub/channel.ts';
import type { ChannelStore, Claim } from '../hub/ports.ts';
import { call, callIf, numberOf, textOf } from './dynamodb.ts';

/**
 * How long after its end an expired item stays, in seconds, before DynamoDB may remove it. The hub itself never
 * trusts the removal: it compares `aliveUntil` on every read.
 */
const CLEAN_UP_AFTER_SECONDS = 24 * 3_600;

const ALIVE = '(attribute_not_exists(aliveUntil) OR aliveUntil > :now)';
/** No live channel has the name: there is no item, or one that has expired. */
const FREE = '(attribute_not_exists(channel) OR aliveUntil <= :now)';

export function channelsInDynamoDb(client: DynamoDBDocumentClient, table: string): ChannelStore {
  return {
    async get(name) {
      const { Item } = await call(() =>
        client.send(new GetCommand({ TableName: table, Key: { channel: name }, ConsistentRead: true })),
      );
      return Item && channelOf(Item);
    },

    async create(channel, now) {
      const put = new PutCommand({
        TableName: table,
        Item: itemOf(channel),
        ConditionExpression: FREE,
        ExpressionAttributeValues: { ':now': now },
      });
      return (await callIf(() => client.send(put))) !== undefined;
    },

    async reserve(claim) {
      const update = new UpdateCommand({
        TableName: table,
        Key: { channel: claim.channel },
        ...reservation(claim),
      });
      const answer = await callIf(() => client.send(update));
      return answer?.Attributes && channelOf(answer.Attributes);
    },

    async touch(channel, aliveUntil) {
      const update = new UpdateCommand({
        TableName: table,
        Key: { channel: channel.name },
        UpdateExpression: 'SET aliveUntil = :until, expiry = :expiry',
        // Nothing to do if the channel was deleted or made anew in between.
        ConditionExpression: 'streamId = :streamId',
        ExpressionAttributeValues: {
          ':until': aliveUntil,
          ':expiry': expiryOf(aliveUntil),
          ':streamId': channel.streamId,
        },
      });
      await callIf(() => client.send(update));
    },

    async remove(name, now) {
      const remove = new DeleteCommand({
        TableName: table,
        Key: { channel: name },
        ConditionExpression: `attribute_exists(channel) AND ${ALIVE}`,
        ExpressionAttributeValues: { ':now': now },
      });
      return (await callIf(() => client.send(remove))) !== undefined;
    },
  };
}

/** The expressions of a claim. In implicit mode the same write makes the channel if there is none. */
function reservation(claim: Claim) {
  const checks = ['mediaType = :mediaType', ALIVE];
  const values: Record<string, unknown> = {
    ':one': 1,
    ':now': claim.now,
    ':mediaType': mediaType(claim.contentType),
  };
  const sets = ['#next = if_not_exists(#next, :zero) + :one', 'claimedAt = :now'];
  values[':zero'] = 0;
  if (claim.seq !== undefined) {
    checks.push('(attribute_not_exists(lastSeq) OR lastSeq < :seq)');
    sets.push('lastSeq = :seq');
    values[':seq'] = claim.seq;
  }
  const granted = checks.join(' AND ');
  if (claim.fresh) {
    for (const name of ['streamId', 'contentType', 'mediaType', 'createdAt', 'keptUntil'] as const) {
      sets.push(`${name} = if_not_exists(${name}, :${name})`);
    }
    const { streamId, contentType, createdAt, keptUntil } = claim.fresh;
    Object.assign(values, { ':streamId': streamId, ':contentType': contentType });
    Object.assign(values, { ':createdAt': createdAt, ':keptUntil': keptUntil });
  }
  return {
    UpdateExpression: `SET ${sets.join(', ')}`,
    ConditionExpression: claim.fresh
      ? `attribute_not_exists(channel) OR (${granted})`
      : `attribute_exists(channel) AND ${granted}`,
    ExpressionAttributeNames: { '#next': 'next' },
    ExpressionAttributeValues: values,
    ReturnValues: 'ALL_NEW' as const,
  };
}

const expiryOf = (aliveUntil: number): number => Math.ceil(aliveUntil / 1_000) + CLEAN_UP_AFTER_SECONDS;

function itemOf({ name, aliveUntil, ...rest }: Channel): Record<string, unknown> {
  const end = aliveUntil === undefined ? {} : { aliveUntil, expiry: expiryOf(aliveUntil) };
  return { channel: name, ...rest, mediaType: mediaType(rest.contentType), ...end };
}

function channelOf(item: Readonly<Record<string, unknown>>): Channel {
  const optionalNumber = (name: string) => (item[name] === undefined ? undefined : numberOf(item, name));
  return {
    name: textOf(item, 'channel'),
    streamId: textOf(item, 'streamId'),
    contentType: textOf(item, 'contentType'),
    next: numberOf(item, 'next'),
    createdAt: numberOf(item, 'createdAt'),
    claimedAt: numberOf(item, 'claimedAt'),
    keptUntil: numberOf(item, 'keptUntil'),
    ttlSeconds: optionalNumber('ttlSeconds'),
    expiresAt: item.expiresAt === undefined ? undefined : textOf(item, 'expiresAt'),
    aliveUntil: optionalNumber('aliveUntil'),
  };
}
