/**
 * The browser as a host of the client, with a meter and two switches: one cuts its network, the other freezes it, as a laptop that
 * sleeps. All clients of one track share a host.
 * @module
 */
import { type Host, realHost, type Wire, type WireListener } from '../../client/host.ts';

/** What came and went. */
export interface Traffic {
  /** Requests, and openings of sockets. */
  requests: number;
  /** Answers without a message. */
  empty: number;
  /** Answers with messages, of requests that are no stream. */
  answers: number;
  /** Bytes of the bodies of answers and of frames. */
  bytes: number;
  /** Frames on sockets. */
  frames: number;
}

/** A host, its meter and its switches. */
export interface MeteredHost {
  /** The host. */
  readonly host: Host;
  /** The meter. */
  readonly traffic: Readonly<Traffic>;
  /** Cuts the network, which ends everything that is open, or repairs it. */
  readonly cut: (isCut: boolean) => void;
  /** Stops everything that arrives, or lets it arrive. Nothing is lost meanwhile. */
  readonly freeze: (isFrozen: boolean) => void;
}

/** An answer of this size has no message: `[]`. */
const EMPTY_BYTES = 2;

const networkError = (): TypeError => new TypeError('the network of this track is cut');

/** Returns a host that works until it is told not to. */
export function meteredHost(real: Host = realHost()): MeteredHost {
  const traffic: Traffic = { requests: 0, empty: 0, answers: 0, bytes: 0, frames: 0 };
  const running = new Set<AbortController>();
  const wires = new Set<() => void>();
  let isCut = false;
  /** What arrives while the host is frozen, in order. Undefined while it is not. */
  let waiting: (() => void)[] | undefined;

  const inOrder = (run: () => void): void => {
    if (waiting === undefined) run();
    else waiting.push(run);
  };
  const thawed = (): Promise<void> => new Promise((resolve) => inOrder(resolve));

  /** Returns the same body. What passes is counted, and waits while the host is frozen. */
  function meteredBody(body: ReadableStream<Uint8Array>, ended: (bytes: number) => void) {
    const reader = body.getReader();
    let total = 0;
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await reader.read();
        await thawed();
        if (done) {
          ended(total);
          controller.close();
          return;
        }
        total += value.byteLength;
        traffic.bytes += value.byteLength;
        controller.enqueue(value);
      },
      cancel: async (reason) => {
        ended(total);
        await reader.cancel(reason);
      },
    });
  }

  async function meteredFetch(url: string, init: RequestInit): Promise<Response> {
    await thawed();
    // The client may have given up while the host was frozen.
    init.signal?.throwIfAborted();
    if (isCut) throw networkError();
    traffic.requests += 1;
    const network = new AbortController();
    running.add(network);
    const signals = init.signal ? [init.signal, network.signal] : [network.signal];
    try {
      const response = await real.fetch(url, { ...init, signal: AbortSignal.any(signals) });
      await thawed();
      if (response.body === null) {
        if (response.status === 204 || response.status === 304) traffic.empty += 1;
        running.delete(network);
        return response;
      }
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
      const { status, statusText, headers } = response;
      const body = meteredBody(response.body, (bytes) => {
        running.delete(network);
        if (isStream || !response.ok) return;
        if (bytes <= EMPTY_BYTES) traffic.empty += 1;
        else traffic.answers += 1;
      });
      return new Response(body, { status, statusText, headers });
    } catch (error) {
      running.delete(network);
      throw network.signal.aborted ? networkError() : error;
    }
  }

  function openWire(url: string, protocols: readonly string[], listener: WireListener): Wire {
    if (isCut || real.openWire === undefined) {
      queueMicrotask(listener.closed);
      return { send() {}, close() {} };
    }
    traffic.requests += 1;
    let isLost = false;
    const ifOpen = (run: () => void): void => inOrder(() => isLost || run());
    const wire = real.openWire(url, protocols, {
      opened: () => ifOpen(listener.opened),
      received(text) {
        traffic.frames += 1;
        traffic.bytes += text.length;
        ifOpen(() => listener.received(text));
      },
      closed() {
        wires.delete(lose);
        ifOpen(listener.closed);
      },
    });
    const lose = (): void => {
      isLost = true;
      wires.delete(lose);
      wire.close();
      listener.closed();
    };
    wires.add(lose);
    return wire;
  }

  return {
    host: { ...real, fetch: meteredFetch, openWire: real.openWire && openWire },
    traffic,
    cut(next) {
      isCut = next;
      if (!isCut) return;
      for (const network of [...running]) network.abort();
      for (const lose of [...wires]) lose();
    },
    freeze(next) {
      if (next) waiting ??= [];
      else {
        const late = waiting ?? [];
        waiting = undefined;
        for (const run of late) run();
      }
    },
  };
}
