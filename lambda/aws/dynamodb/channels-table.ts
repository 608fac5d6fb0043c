/**
 * The Channels table: one item for each channel, key `channel`. A reservation is one UpdateItem. A partition allows 1,000 write
 * units a second, so one channel allows about 1,000 publishes a second.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
 * @module
 */

import { fieldsOf } from '../../../protocol/fields.ts';
import { type Channel, mediaType } from '../../hub/log/channel.ts';
import type { ChannelStore } from '../../hub/log/log-ports.ts';
import { type ProducerMarks, timeMark } from '../../hub/log/producer.ts';
import { call } from '../aws-client.ts';
import type { DeleteInput, DocumentClient, PutInput, ScanInput } from '../calls/document-calls.ts';
import { callIf, expiryOf, once } from './document-client.ts';
import { reservation } from './reservation.ts';
import { numberOf, textOf } from './stored-attributes.ts';
import { type Table, tableOf } from './update-item.ts';

/**
 * How long an expired item stays before DynamoDB may remove it, in seconds. The hub does not rely on the removal: it compares
 * `aliveUntil` on every read.
 */
const CLEAN_UP_AFTER_SECONDS = 24 * 3_600;

/**
 * Channels that one page of a list looks at, if only some of them have the prefix. A channel without producers has about 300 bytes,
 * and a Scan pays for what it looks at: 40 read units.
 */
const LOOKED_AT = 1_000;

/** The condition that no live channel has the name: there is no item, or an expired one. */
const FREE = '(attribute_not_exists(channel) OR aliveUntil <= :now)';

/** Returns the store of channels. */
export function channelsInDynamoDb(client: DocumentClient, name: string): ChannelStore {
  const table = tableOf(client, name);
  return {
    get: get(table),
    create: create(table),
    reserve: reserve(table),
    beginEpoch: beginEpoch(table),
    forgetProducer: forgetProducer(table),
    list: list(table),
    touch: touch(table),
    remove: remove(table),
  };
}

const get =
  ({ client, TableName }: Table): ChannelStore['get'] =>
  async (name) => {
    const { Item } = await call(() =>
      client.get({ TableName, Key: { channel: name }, ConsistentRead: true }),
    );
    return Item && channelOf(Item);
  };

const create =
  ({ client, TableName }: Table): ChannelStore['create'] =>
  async (channel, now) => {
    const put: PutInput = {
      TableName,
      Item: itemOf(channel),
      ConditionExpression: FREE,
      ExpressionAttributeValues: { ':now': now },
    };
    return (await callIf(() => once((options) => client.put(put, options)))) !== undefined;
  };

const reserve =
  ({ update }: Table): ChannelStore['reserve'] =>
  async (claim) => {
    const item = await update({
      key: { channel: claim.channel },
      ...reservation(claim),
      returns: 'ALL_NEW',
      isOnce: true,
    });
    return item && channelOf(item);
  };

const beginEpoch =
  ({ update }: Table): ChannelStore['beginEpoch'] =>
  async (channel, now, keptUntil) => {
    await update({
      key: { channel: channel.name },
      change: 'SET #floor = #next, floorAt = :now, claimedAt = :now, keptUntil = :keptUntil',
      condition: 'streamId = :streamId AND claimedAt = :claimedAt',
      values: {
        ':now': now,
        ':keptUntil': keptUntil,
        ':streamId': channel.streamId,
        ':claimedAt': channel.claimedAt,
      },
    });
  };

const forgetProducer =
  ({ update }: Table): ChannelStore['forgetProducer'] =>
  async (channel, { id, since, marks }) => {
    // One producer at a time: an expression may have 4 KB, which the marks of two dozen producers exceed.
    const names = Object.fromEntries(marks.map((mark, at) => [`#${at}`, mark]));
    await update({
      key: { channel: channel.name },
      change: `REMOVE ${Object.keys(names)
        .map((name) => `producers.${name}`)
        .join(', ')}`,
      condition: 'streamId = :streamId AND producers.#since = :since',
      names: { ...names, '#since': timeMark(id) },
      values: { ':streamId': channel.streamId, ':since': since },
    });
  };

const list =
  ({ client, TableName }: Table): ChannelStore['list'] =>
  async (prefix, after, most) => {
    const scan: ScanInput = {
      TableName,
      Limit: prefix === '' ? most : LOOKED_AT,
      ...(after === undefined ? {} : { ExclusiveStartKey: { channel: after } }),
      ...(prefix === ''
        ? {}
        : {
            FilterExpression: 'begins_with(channel, :prefix)',
            ExpressionAttributeValues: { ':prefix': prefix },
          }),
    };
    const { Items = [], LastEvaluatedKey } = await call(() => client.scan(scan));
    const channels = Items.slice(0, most).map(channelOf);
    const isCut = channels.length < Items.length;
    if (isCut) return { channels, after: channels.at(-1)?.name };
    return { channels, after: LastEvaluatedKey && textOf(LastEvaluatedKey, 'channel') };
  };

const touch =
  ({ update }: Table): ChannelStore['touch'] =>
  async (channel, aliveUntil, now) => {
    await update({
      key: { channel: channel.name },
      change: 'SET aliveUntil = :until, expiry = :expiry',
      // Nothing to do if the channel was deleted, has expired, was created again in between, or lives longer already.
      condition: 'streamId = :streamId AND aliveUntil > :now AND aliveUntil < :until',
      values: {
        ':until': aliveUntil,
        ':expiry': cleanUpAt(aliveUntil),
        ':streamId': channel.streamId,
        ':now': now,
      },
    });
  };

const remove =
  ({ client, TableName }: Table): ChannelStore['remove'] =>
  async ({ name, streamId }) => {
    const remove: DeleteInput = {
      TableName,
      Key: { channel: name },
      ConditionExpression: 'streamId = :streamId',
      ExpressionAttributeValues: { ':streamId': streamId },
    };
    await callIf(() => client.delete(remove));
  };

const cleanUpAt = (aliveUntil: number): number => expiryOf(aliveUntil) + CLEAN_UP_AFTER_SECONDS;

function itemOf({ name, aliveUntil, ...rest }: Channel): Record<string, unknown> {
  const end = aliveUntil === undefined ? {} : { aliveUntil, expiry: cleanUpAt(aliveUntil) };
  return { channel: name, ...rest, mediaType: mediaType(rest.contentType), ...end };
}

/** Returns a channel from its attributes. @throws Error if they are no channel */
export function channelOf(item: Readonly<Record<string, unknown>>): Channel {
  const optional = <T>(name: string, read: (item: Readonly<Record<string, unknown>>, name: string) => T) =>
    item[name] === undefined ? undefined : read(item, name);
  return {
    name: textOf(item, 'channel'),
    streamId: textOf(item, 'streamId'),
    contentType: textOf(item, 'contentType'),
    streamKey: optional('streamKey', textOf),
    next: numberOf(item, 'next'),
    origin: numberOf(item, 'origin'),
    floor: numberOf(item, 'floor'),
    floorAt: numberOf(item, 'floorAt'),
    keptUntil: numberOf(item, 'keptUntil'),
    claimedAt: numberOf(item, 'claimedAt'),
    lastSeq: optional('lastSeq', textOf),
    lastSeqSlot: optional('lastSeqSlot', numberOf),
    closed: item.closed === true,
    closedBy: optional('closedBy', textOf),
    producers: marksOf(item.producers),
    ttlSeconds: optional('ttlSeconds', numberOf),
    expiresAt: optional('expiresAt', textOf),
    aliveUntil: optional('aliveUntil', numberOf),
  };
}

function marksOf(value: unknown): ProducerMarks {
  const map = fieldsOf(value);
  return Object.fromEntries(Object.keys(map).map((mark) => [mark, numberOf(map, mark)]));
}
