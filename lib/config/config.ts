/**
 * The configuration of a hub: its options, after checks of their combinations. Each option alone may be valid.
 * @module
 */
import type { z } from 'zod';
import type { Issuer } from '../../protocol/issuer.ts';
import { type Context, PREFIX, readOptions } from './context.ts';
import { type ISSUER_OPTIONS, issuerOf } from './issuer-options.ts';
import { OPTIONS } from './options.ts';

/** The options, by name. Those of the identity provider are one value. */
export type HubConfig = Readonly<
  Omit<z.output<typeof OPTIONS>, keyof typeof ISSUER_OPTIONS> & {
    /** The identity provider whose tokens the hub accepts beside its own; undefined for none. */
    readonly issuer: Issuer | undefined;
  }
>;

/**
 * Reads the configuration out of a construct tree's context.
 * @throws Error with a sentence for each mistake that names the key, the value received and the values allowed
 */
export function parseConfig(context: Context): HubConfig {
  const { issuer, issuerAudience, jwksUrl, claims, ...options } = readOptions(OPTIONS, context);
  const config = { ...options, issuer: issuerOf({ issuer, issuerAudience, jwksUrl, claims }) };
  checkCombinations(config);
  return config;
}

/** Refuses options that contradict each other. @throws Error with the keys, the value received and the values allowed */
function checkCombinations(config: HubConfig): void {
  refuseFewConnections(config);
  refuseIncompleteBudget(config);
  refuseLongTexts(config);
}

/**
 * The number of held readers of one kind to expect if nothing is reserved for them: half of the 1,000 that an account has by
 * default. A process beyond that cannot open its socket, and reads its channels once a second instead.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */
const UNRESERVED = 500;

/** All wake sockets count as one caller, and each process that holds readers has one. */
function refuseFewConnections({
  connectionsPerCaller,
  heldPerCaller,
  maxHolds,
  maxStreams,
}: HubConfig): void {
  // If nothing is reserved, there must be enough for all held requests of one caller.
  const processes = (reserved: number): number => reserved || Math.min(heldPerCaller, UNRESERVED);
  const least = processes(maxHolds) + processes(maxStreams);
  if (connectionsPerCaller >= least) return;
  throw new Error(
    `context key "${PREFIX}connectionsPerCaller" is ${connectionsPerCaller}: it must be at least ${least}, since the hub's ` +
      'own sockets count as one caller. That is maxHolds + maxStreams; ' +
      `for either that is 0 it is heldPerCaller, ${UNRESERVED} at most`,
  );
}

function refuseIncompleteBudget({ monthlyBudget, budgetEmail }: HubConfig): void {
  if (monthlyBudget > 0 === (budgetEmail !== '')) return;
  const [missing, needed] =
    budgetEmail === '' ? ['budgetEmail', 'monthlyBudget'] : ['monthlyBudget', 'budgetEmail'];
  throw new Error(
    `context key "${PREFIX}${missing}" is needed for "${PREFIX}${needed}": set both, or neither`,
  );
}

/**
 * Bytes that the operator's texts may take in the environment of a function. Lambda allows 4,096 bytes for all variables, with names,
 * quotation marks and escapes ("String measured" in its error is JSON). The variables of the stack take up to 1,100.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 * https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3594
 */
export const MAX_TEXT_BYTES = 2_800;

function refuseLongTexts({ anonymous, issuer, origins, presence, stamp }: HubConfig): void {
  const sizes = {
    anonymous: bytesInJson(JSON.stringify(anonymous)),
    'issuer, issuerAudience, jwksUrl and claims': bytesInJson(JSON.stringify(issuer ?? null)),
    origins: bytesInJson(String(origins)),
    presence: bytesInJson(JSON.stringify(presence)),
    stamp: bytesInJson(JSON.stringify(stamp)),
  };
  const all = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  if (all <= MAX_TEXT_BYTES) return;
  const each = Object.entries(sizes).map(([keys, size]) => `${size} of ${keys}`);
  throw new Error(
    `context keys "${PREFIX}anonymous", "${PREFIX}claims", "${PREFIX}origins", "${PREFIX}presence" and "${PREFIX}stamp" take ${all} bytes in the environment of a ` +
      `function: ${each.join(', ')}. They must be ${MAX_TEXT_BYTES} at most together, since Lambda has 4 KB for all variables`,
  );
}

const bytesInJson = (text: string): number => Buffer.byteLength(JSON.stringify(text));
