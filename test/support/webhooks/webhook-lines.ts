/**
 * Lines: channels with one endpoint each, and Jepsen's rule of a queue for every one of them. What was acknowledged comes
 * (lost 0), nothing else does (unexpected 0); doubles are allowed, and counted.
 * @see https://github.com/jepsen-io/jepsen/blob/main/jepsen/src/jepsen/checker.clj
 * @module
 */
import { expect } from 'vitest';
import type { Fields } from '../../../protocol/fields.ts';
import type { Answer, Delivered, Receiver } from '../wire/receiver.ts';
import { type Caller, newChannel } from '../wire/wire.ts';
import { attemptsOf, type WebhookCaller, webhooksOf } from './webhook-calls.ts';

/** An endpoint with a path of its own on the receiver, and a channel that nobody else listens to. */
export interface Line {
  readonly name: string;
  readonly id: string;
  readonly channel: string;
  readonly path: string;
  /** What the hub has acknowledged. */
  readonly published: string[];
}

/** The first pause of the retry schedule (6 s), and time to deliver on a busy machine. */
const SETTLED = { timeout: 40_000, interval: 500 };
/** The lease of an owner that died (25 s), and processes that start. */
const RECOVERED = { timeout: 90_000, interval: 1_000 };

/** All lines that lead to a receiver, whose answers are theirs from now on. */
export class Lines {
  readonly webhooks: WebhookCaller;
  readonly #hub: Caller;
  readonly #receiver: Receiver;
  /** By path, what is answered at first. */
  readonly #answers = new Map<string, Answer[]>();
  /** What was not taken, and has to come again. */
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

  /** @param refusals what the endpoint answers at first; then it takes everything */
  async open(name: string, refusals: readonly Answer[] = []): Promise<Line> {
    const channel = newChannel();
    const url = `${this.#receiver.url}/${encodeURIComponent(channel)}`;
    const path = new URL(url).pathname;
    this.#answers.set(path, [...refusals]);
    const { id } = await this.webhooks.create(url, [channel]);
    return { name, id, channel, path, published: [] };
  }

  async publish(line: Line): Promise<void> {
    const message = `${line.channel} ${line.published.length}`;
    expect((await this.#hub.publish(line.channel, message)).status, line.name).toBe(204);
    line.published.push(message);
  }

  /** Names of the lines on which something is still to be delivered, or not known to have been. */
  async behind(lines: readonly Line[]): Promise<readonly Line[]> {
    const behind: Line[] = [];
    for (const line of lines) {
      const settled = await this.webhooks.deliveries(line.id, '?status=delivered&limit=100');
      const isAll = this.#tally(line).lost.length === 0 && settled.length >= line.published.length;
      if (!isAll) behind.push(line);
    }
    return behind;
  }

  /** Ends when all has been delivered, without anybody's help. */
  async settle(lines: readonly Line[], message: string): Promise<void> {
    const names = async () => (await this.behind(lines)).map(({ name }) => name);
    await expect.poll(names, { ...SETTLED, message }).toEqual([]);
  }

  /**
   * The same, with help: whoever publishes next, after a lease has run out, wakes the one who takes over. That is so for
   * each, since a message that had arrived when its process died is not known to have.
   */
  async recover(lines: readonly Line[], message: string): Promise<void> {
    const names = async () => {
      const behind = await this.behind(lines);
      for (const line of behind) await this.publish(line);
      return behind.map(({ name }) => name);
    };
    await expect.poll(names, { ...RECOVERED, message }).toEqual([]);
  }

  /** Holds the lines to the rule. Answers what came and what came twice, in a sentence. */
  async judge(lines: readonly Line[]): Promise<string> {
    let doubled = 0;
    for (const line of lines) {
      const { lost, unexpected, twice } = this.#tally(line);
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

  #tally({ path, published }: Line) {
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
   * True if the attempts are what came: numbered 1, 2, 3 …, each written once, and whatever came is one of them. One that
   * was cut off may have come, or not.
   */
  #isCounted({ path }: Line, delivery: Fields): boolean {
    const attempts = attemptsOf(delivery);
    const came = this.#receiver.received.filter((one) => one.path === path && one.id === delivery.id).length;
    const sure = attempts.filter(({ error }) => error === undefined).length;
    return attempts.every(({ number }, at) => number === at + 1) && came >= sure && came <= attempts.length;
  }
}
