/**
 * The hub of an example: one that runs here, a deployed one, one at a URL, or a new one that ends with the example.
 * @module
 */
import type { Capability } from '../../protocol/capability.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import { TIDINGS_EPHEMERAL } from '../../protocol/headers.ts';
import { UsageError } from '../cli.ts';
import { consoleLink } from '../hub/console-link.ts';
import { type HubKeys, keysOfDeployedHub, keysOfLocalHub, outputsOfDeployedHub } from '../hub/hub-keys.ts';
import { hubLog } from '../hub/hub-log.ts';
import { urlsIn } from '../hub/hub-urls.ts';
import { readLocalHub, removeLocalHub, writeLocalHub } from '../hub/local-file.ts';
import { startHub, WITH_EXAMPLES } from '../hub/local-hub.ts';
import { mint } from '../mint.ts';
import { ask, Refused } from '../remote/ask.ts';
import type { RemoteHub } from '../remote/remote-hub.ts';
import { note, waitFor } from '../terminal/waiting.ts';

/** A hub that an example can use. */
export interface ExampleHub {
  /** A line for people. */
  readonly about: string;
  /** Returns the hub as commands call it, with these rights. */
  readonly callable: (rights: Capability) => RemoteHub;
  /** The variables that the backend of an example reads. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends what was started. */
  readonly close: () => Promise<void>;
}

/** A channel that no example uses. */
const PROBE = 'demo/chat/probe';
/** Seconds. A command takes a new token for each request. */
const TOKEN_SECONDS = 60;
/** Requests at a time in one process of a function: the browsers share the machine with the hub. */
const CONCURRENCY = 64;

/**
 * Finds the hub that the options name.
 * @param stopped aborted when it is not needed any more
 * @returns undefined if that happened during the start
 * @throws UsageError if the options contradict each other
 */
export async function findHub(
  { stage, url }: { readonly stage?: string | undefined; readonly url?: string | undefined },
  stopped: AbortSignal,
): Promise<ExampleHub | undefined> {
  if (stage !== undefined && url !== undefined)
    throw new UsageError(`--url is ${url} and --stage is ${stage}: give one of them`);
  if (url !== undefined) return atUrl(url);
  if (stage !== undefined) return await deployed(stage);
  const local = readLocalHub();
  if (local === undefined) return await started(stopped);
  return hubOf(`The hub is the one that runs here: ${local.url}`, local.url, await keysOfLocalHub(local));
}

function atUrl(url: string): ExampleHub {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new UsageError(`--url is ${url}, it must be a URL that begins with http:// or https://`);
  const { TIDINGS_KEY: key, TIDINGS_AUDIENCE: audience } = process.env;
  if (!key || !audience)
    throw new UsageError(
      '--url needs TIDINGS_KEY and TIDINGS_AUDIENCE in the environment: npm run -s token -- --key prints them',
    );
  return hubOf(`The hub is ${url}`, url.replace(/\/+$/, ''), { key, audience });
}

async function deployed(stage: string): Promise<ExampleHub> {
  const { url, streams, sockets, hasEdge } = urlsIn(await outputsOfDeployedHub(stage));
  const hub = hubOf(`The hub is ${url}`, url, await keysOfDeployedHub(stage));
  if (hasEdge) return hub;
  const elsewhere = { TIDINGS_SOCKET_URL: sockets, TIDINGS_STREAM_URL: streams };
  return { ...hub, environment: { ...hub.environment, ...elsewhere } };
}

async function started(stopped: AbortSignal): Promise<ExampleHub | undefined> {
  const link = await consoleLink();
  const starting = startHub({
    concurrency: CONCURRENCY,
    context: WITH_EXAMPLES,
    intercept: link.intercept,
    log: hubLog(note, false).take,
    progress: (step) => note(`${step} …`),
  });
  const hub = await waitFor('starting the hub', starting).catch((error: unknown) => {
    link.close();
    // A terminal sends Ctrl-C to the program that synthesizes, too, and then it fails.
    if (!stopped.aborted) throw error;
  });
  if (hub === undefined) return undefined;
  const { stack, token } = hub;
  const { url, control, aws, outputs } = stack;
  writeLocalHub({ url, token, pid: process.pid, control, aws, outputs });
  const about = `The hub is ${url}, and its console is ${link.addressOf(hub)}`;
  return {
    ...hubOf(about, url, await keysOfLocalHub(stack)),
    async close() {
      removeLocalHub();
      link.close();
      await hub.close();
    },
  };
}

const hubOf = (about: string, url: string, keys: HubKeys): ExampleHub => ({
  about,
  callable: (capability) => ({
    url,
    socketUrl: undefined,
    streamUrl: undefined,
    token: () => mint({ ...keys, capability, sub: 'example', ttlSeconds: TOKEN_SECONDS }),
    advice: 'check that it runs, and your network',
    tokenFlags: '',
  }),
  environment: { TIDINGS_URL: url, TIDINGS_KEY: keys.key, TIDINGS_AUDIENCE: keys.audience },
  close: async () => {},
});

/** Checks that a hub has the options of {@link WITH_EXAMPLES}. @throws Error in one sentence that says what to do */
export async function checkOptions({ callable }: ExampleHub): Promise<void> {
  const needs: Capability = { [PROBE]: ['publish', 'subscribe'] };
  const hub = callable(needs);
  const [stamp, presence] = await Promise.all([
    codeOf(hub, `/channels/${PROBE}`, {
      method: 'POST',
      // Ephemeral: nothing is stored. A hub that stamps these channels refuses a message that has the member itself.
      headers: { 'Content-Type': 'application/json', [TIDINGS_EPHEMERAL]: 'true' },
      body: '{"sender":"example"}',
      doing: 'looking for stamps',
      needs,
    }),
    codeOf(hub, `/presence/${PROBE}`, { doing: 'looking for presence', needs }),
  ]);
  if (stamp === 'reserved_member' && presence === undefined) return;
  throw new Error(
    'the hub has no stamps or no presence for demo/*: examples/README.md has the options to deploy it with',
  );
}

/** Returns the code of a refusal, and undefined if there is none. */
async function codeOf(...question: Parameters<typeof ask>): Promise<ErrorCode | undefined> {
  try {
    await ask(...question);
    return undefined;
  } catch (error) {
    if (error instanceof Refused) return error.code;
    throw error;
  }
}
