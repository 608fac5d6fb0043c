/**
 * Lines: channels with one endpoint each, and Jepsen's rule of a queue for each of them. Every acknowledged message arrives
 * (lost 0), nothing else arrives (unexpected 0), and doubles are allowed and counted.
 * @see https://github.com/jepsen-io/jepsen/blob/main/jepsen/src/jepsen/checker.clj
 * @module
 */
import { expect } from 'vitest';
import type { Fields } from '../../../protocol/fields.ts';
import type { Answer, Delivered, Receiver } from '../wire/receiver.ts';
import { type Caller, newChannel } from '../wire/wire.ts';
import { attemptsOf, type WebhookCaller, webhooksOf } from './webhook-calls.ts';

/** An endpoint with its own path on the receiver, and a channel to which no other endpoint listens. */
export interface Line {
  readonly name: string;
  readonly id: string;
  readonly channel: string;
  readonly path: string;
  /** The acknowledged messages. */
  readonly published: string[];
}

/** The first pause of the retry schedule (6 s), and time to deliver on a busy machine. */
const SETTLED = { timeout: 40_000, interval: 500 };
/** The time for which a wake whose process died is hidden (60 s), its next attempt (6 s), and the start of processes. */
const RECOVERED = { timeout: 90_000, interval: 1_000 };

/** All lines of one receiver. They decide its answers. */
export class Lines {
  readonly webhooks: WebhookCaller;
  readonly #hub: Caller;
  readonly #receiver: Receiver;
  /** The first answers by path. */
  readonly #answers = new Map<string, Answer[]>();
  /** The requests that were refused, and must come again. */
  readonly #refused = new Set<Delivered>();

  constructor(hub: Caller, receiver: Receiver) {
    this.webhooks = webhooksOf(hub);
    this.#hub = hub;
    this.#receiver = receiver;
    receiver.reply = (delivered) => {
      const refusal = this.#answers.get(delivered.path)?.shift();
      if (refusal) this.#refused.add(delivered);
      return refusal ?? { status: 204 };
    };
  }

  /** Opens a line. @param refusals the first answers of the endpoint; then it accepts everything */
  async open(name: string, refusals: readonly Answer[] = []): Promise<Line> {
    const channel = newChannel();
    const url = `${this.#receiver.url}/${encodeURIComponent(channel)}`;
    const path = new URL(url).pathname;
    this.#answers.set(path, [...refusals]);
    const { id } = await this.webhooks.create(url, [channel]);
    return { name, id, channel, path, published: [] };
  }

  /** Sets the next answers of the endpoint, which refuse. Then it accepts everything. */
  refuse({ path }: Line, refusals: readonly Answer[]): void {
    this.#answers.set(path, [...refusals]);
  }

  /** Sends all messages of a line again. */
  async replay({ name, id, channel }: Line): Promise<void> {
    const { status, text } = await this.webhooks.ask('POST', `/${id}/replay`, { channel, offset: '-1' });
    expect(status, `${name} ${text}`).toBe(202);
  }

  /** Publishes the next message of a line. @param status of the answer. The message must arrive in any case */
  async publish(line: Line, status = 204): Promise<void> {
    const message = `${line.channel} ${line.published.length}`;
    expect((await this.#hub.publish(line.channel, message)).status, line.name).toBe(status);
    line.published.push(message);
  }

  /** Returns the lines with a message that is not delivered, or not known to be delivered. */
  async behind(lines: readonly Line[]): Promise<readonly Line[]> {
    const behind: Line[] = [];
    for (const line of lines) {
      const settled = await this.webhooks.deliveries(line.id, '?status=delivered&limit=100');
      const isAll = this.#compare(line).lost.length === 0 && settled.length >= line.published.length;
      if (!isAll) behind.push(line);
    }
    return behind;
  }

  /** Waits until everything is delivered, without further messages. */
  async settle(lines: readonly Line[], message: string): Promise<void> {
    const names = async () => (await this.behind(lines)).map(({ name }) => name);
    await expect.poll(names, { ...SETTLED, message }).toEqual([]);
  }

  /**
   * Waits until everything is delivered, and publishes meanwhile. After a lease has run out, the next message wakes a new
   * owner, which does the stored tasks. Tasks that came in a wake come again with it. Every line needs this, since a message may have arrived although its process died.
   */
  async recover(lines: readonly Line[], message: string): Promise<void> {
    const names = async () => {
      const behind = await this.behind(lines);
      for (const line of behind) await this.publish(line);
      return behind.map(({ name }) => name);
    };
    await expect.poll(names, { ...RECOVERED, message }).toEqual([]);
  }

  /** Checks the rule for the lines. Returns the numbers as a sentence. */
  async judge(lines: readonly Line[]): Promise<string> {
    let doubled = 0;
    for (const line of lines) {
      const { lost, unexpected, twice } = this.#compare(line);
      expect([lost, unexpected], line.name).toEqual([[], []]);
      const deliveries = await this.webhooks.everyDelivery(line.id);
      expect(deliveries, line.name).toHaveLength(line.published.length);
      expect(
        deliveries.filter((delivery) => !this.#isCounted(line, delivery)),
        line.name,
      ).toEqual([]);
      doubled += twice;
    }
    const all = lines.reduce((sum, { published }) => sum + published.length, 0);
    return `${lines.length} endpoints, ${all} messages: lost 0, unexpected 0, ${doubled} twice`;
  }

  #compare({ path, published }: Line) {
    const came = this.#receiver.received.filter((one) => one.path === path);
    const textsOf = (some: readonly Delivered[]) => some.map(({ body }) => String(body.data));
    const taken = textsOf(came.filter((one) => !this.#refused.has(one)));
    const known = new Set(taken);
    return {
      lost: published.filter((one) => !known.has(one)),
      unexpected: textsOf(came).filter((one) => !published.includes(one)),
      twice: taken.length - known.size,
    };
  }

  /**
   * True if the attempts match the requests: they are numbered 1, 2, 3 …, each is stored once, and each request is one of
   * them. An interrupted attempt may have arrived or not.
   */
  #isCounted({ path }: Line, delivery: Fields): boolean {
    const attempts = attemptsOf(delivery);
    const came = this.#receiver.received.filter((one) => one.path === path && one.id === delivery.id).length;
    const sure = attempts.filter(({ error }) => error === undefined).length;
    return attempts.every(({ number }, at) => number === at + 1) && came >= sure && came <= attempts.length;
  }
}
