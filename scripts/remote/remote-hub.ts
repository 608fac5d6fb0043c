/**
 * Finds the hub that a command talks to: the one that runs here, a deployed one by its stage, or any one by its URL.
 * @module
 */
import type { Capability } from '../../protocol/capability.ts';
import { UsageError } from '../cli.ts';
import { keysIn, outputsOfDeployedHub, storeFor } from '../hub/hub-keys.ts';
import { urlsIn } from '../hub/hub-urls.ts';
import { readLocalHub } from '../hub/local-file.ts';
import { mint } from '../mint.ts';
import { waitFor } from '../terminal/waiting.ts';

/** The options that name a hub. */
export const HUB_OPTIONS = {
  stage: { type: 'string' },
  url: { type: 'string' },
  token: { type: 'string' },
} as const;

/** The lines of the help about these options. */
export const HUB_HELP = `  --stage NAME     the deployed hub of a stage; uses your AWS credentials and Region (default: the hub that runs here)
  --url URL        the hub at a URL, with --token
  --token TOKEN    the token to send (default: one that may do what the command does; none with --url)`;

/** The lifetime of a token for a deployed hub, in seconds. */
const TOKEN_SECONDS = 3_600;

/** The `sub` of these tokens. The commands then have a quota of their own, and take no place of the application. */
const SUB = 'command-line';

/** A hub, and how to get a token for it. */
export interface RemoteHub {
  /** The URL to publish and read, without a slash at its end. */
  readonly url: string;
  /** The URL of the sockets; undefined: below `url`. */
  readonly socketUrl: string | undefined;
  /** The URL of the streams; undefined: `url`. */
  readonly streamUrl: string | undefined;
  /** Returns a token that is valid now. Undefined: requests carry none. */
  readonly token: () => Promise<string | undefined>;
  /** What to do if nothing answers at the URL. */
  readonly advice: string;
  /** The flags that let `npm run token` mint for this hub, after a space; empty for the hub that runs here. */
  readonly tokenFlags: string;
}

type Flags = { readonly [K in keyof typeof HUB_OPTIONS]?: string | undefined };

/**
 * Finds the hub that the options name.
 * @param rights what the command needs. A token for a deployed hub allows no more
 * @throws UsageError if no hub runs here, or if the options contradict each other
 */
export async function findRemoteHub({ stage, url, token }: Flags, rights: Capability): Promise<RemoteHub> {
  if (stage !== undefined && url !== undefined)
    throw new UsageError(`--url is ${url} and --stage is ${stage}: give one of them`);
  if (stage !== undefined)
    return await waitFor(`looking for the hub of stage ${stage} in AWS`, deployedHub(stage, token, rights));
  const local = readLocalHub();
  if (url !== undefined) {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url))
      throw new UsageError(`--url is ${url}, it must be a URL that begins with http:// or https://`);
    const advice = 'check --url, or start a hub here with npm start';
    return { ...hubAt(url, async () => token), advice, tokenFlags: '' };
  }
  if (local === undefined)
    throw new UsageError(
      'no hub runs here: start one with npm start, or name one with --url, or a deployed one with --stage',
    );
  // The hub gets another token when its key is rotated, so the file is read each time.
  const current = async () => token ?? readLocalHub()?.token ?? local.token;
  return { ...hubAt(local.url, current), advice: 'start it with npm start', tokenFlags: '' };
}

const hubAt = (url: string, token: RemoteHub['token']) => ({
  url: url.replace(/\/+$/, ''),
  socketUrl: undefined,
  streamUrl: undefined,
  token,
});

async function deployedHub(
  stage: string,
  token: string | undefined,
  capability: Capability,
): Promise<RemoteHub> {
  const { url, sockets, streams } = urlsIn(await outputsOfDeployedHub(stage));
  const keys = token === undefined ? await keysIn(await storeFor(stage)) : undefined;
  return {
    url,
    socketUrl: sockets,
    streamUrl: streams,
    token: async () =>
      keys === undefined ? token : await mint({ ...keys, capability, ttlSeconds: TOKEN_SECONDS, sub: SUB }),
    advice: 'check your network, and the deployment with npm run smoke',
    tokenFlags: ` --stage ${stage}`,
  };
}
