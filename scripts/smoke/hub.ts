/**
 * The hub to test: its URLs, and a token for it.
 * @module
 */
import { UsageError } from '../cli.ts';
import { keysIn, type Outputs, outputsOfDeployedHub, storeFor } from '../hub/hub-keys.ts';
import { type HubUrls, urlsIn } from '../hub/hub-urls.ts';
import { readLocalHub } from '../hub/local-file.ts';
import { mint } from '../mint.ts';

/** The prefix of all channels of a run. */
const ROOT = 'smoke';

/** The lifetime of the token, in seconds. The longest run waits ten minutes. */
const TOKEN_SECONDS = 3_600;

/** The hub to test. */
export interface SmokeHub extends HubUrls {
  /** True for a hub on this machine. */
  readonly isLocal: boolean;
  /** Allows everything below `root` and `open`. Its `sub` is new in each run, so that each run has its own quota. */
  readonly token: string;
  /** The prefix of the channels of this run. */
  readonly root: string;
  /** The prefix of channels that can be read without a token, if the hub allows that. */
  readonly open: string;
}

/**
 * Finds the deployed hub of a stage by its stacks, or the local hub.
 * @param open the first segments of channels that anonymous callers may read
 * @throws UsageError if no local hub runs
 */
export async function findHub(stage: string | undefined, open: string): Promise<SmokeHub> {
  const keys = await keysIn(await storeFor(stage));
  const id = Date.now().toString(36);
  const token = await mint({
    ...keys,
    capability: Object.fromEntries(
      [`${ROOT}/*`, `${open}/*`].map((pattern) => [pattern, ['publish', 'subscribe', 'webhook', 'manage']]),
    ),
    ttlSeconds: TOKEN_SECONDS,
    sub: `${ROOT}-${id}`,
  });
  const urls = urlsIn(stage === undefined ? outputsOfLocalHub() : await outputsOfDeployedHub(stage));
  return { ...urls, isLocal: stage === undefined, token, root: `${ROOT}/${id}`, open: `${open}/${id}` };
}

/** The URL of the front door of a local hub is in its file. */
function outputsOfLocalHub(): Outputs {
  const local = readLocalHub();
  if (!local) throw new UsageError('no hub runs here: start one with npm start');
  return local.outputs.Url === undefined ? local.outputs : { ...local.outputs, Url: local.url };
}
