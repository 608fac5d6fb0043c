/**
 * The configuration of a hub: its options, after checks of their combinations. Each option alone may be valid.
 * @module
 */
import type { z } from 'zod';
import type { Issuer } from '../../protocol/issuer.ts';
import { CONTEXT_KEYS, type Context, type Naming, optionsIn, readOptions } from './context.ts';
import type { HookConfig } from './hook-option.ts';
import { type ISSUER_OPTIONS, issuerOf } from './issuer-options.ts';
import { OPTIONS } from './options.ts';

/** The values of all options. */
export type OptionValues = Readonly<z.output<typeof OPTIONS>>;

/** The options of the hub around the data, by name. Those of the identity provider are one value. */
export type Config = Omit<OptionValues, keyof typeof ISSUER_OPTIONS | 'throwAway'> & {
  /** The identity provider whose tokens the hub accepts beside its own; undefined for none. */
  readonly issuer: Issuer | undefined;
  /** The functions that are asked about publishes. */
  readonly hooks: readonly HookConfig[];
};

/** The options of one hub. */
export type HubConfig = Config & {
  /** Begins the names of what must have a name. No other hub of the account and Region has it. */
  readonly name: string;
};

/**
 * Reads the configuration out of a construct tree's context.
 * @throws Error with a sentence for each mistake that names the key, the value received and the values allowed
 */
export const parseConfig = (context: Context): Config => configOf(readContext(context), CONTEXT_KEYS);

/** Reads the values of all options out of a construct tree's context. @throws Error as `parseConfig` */
export function readContext(context: Context): OptionValues {
  const values = readOptions(OPTIONS, optionsIn(context), CONTEXT_KEYS);
  configOf(values, CONTEXT_KEYS);
  return values;
}

/**
 * Returns the configuration, if no options contradict each other.
 * @throws Error with the names of the options, the value received and the values allowed
 */
export function configOf(
  values: Omit<OptionValues, 'throwAway'>,
  naming: Naming,
  hooks: readonly HookConfig[] = [],
): Config {
  const { issuer, issuerAudience, jwksUrl, claims, ...options } = values;
  const config = { ...options, issuer: issuerOf({ issuer, issuerAudience, jwksUrl, claims }, naming), hooks };
  refuseFewConnections(config, naming);
  refuseIncompleteBudget(config, naming);
  refuseLongTexts(config, naming);
  refuseBareDomain(config, naming);
  return config;
}

/** A domain and a web ACL belong to the front door. */
function refuseBareDomain({ edge, domain, webAcl }: Config, { kind, prefix }: Naming): void {
  if (edge || (domain === undefined && webAcl === undefined)) return;
  const useless = domain === undefined ? 'webAcl' : 'domain';
  throw new Error(
    `${kind} "${prefix}${useless}" has no effect while "${prefix}edge" is false: it is for CloudFront, the front door`,
  );
}

/**
 * The number of held readers of one kind to expect if nothing is reserved for them: half of the 1,000 that an account has by
 * default. A process beyond that cannot open its socket, and reads its channels once a second instead.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */
const UNRESERVED = 500;

/** All wake sockets count as one caller, and each process that holds readers has one. */
function refuseFewConnections(
  { connectionsPerCaller, heldPerCaller, maxHolds, maxStreams }: Config,
  { kind, prefix }: Naming,
): void {
  // If nothing is reserved, there must be enough for all held requests of one caller.
  const processes = (reserved: number): number => reserved || Math.min(heldPerCaller, UNRESERVED);
  const least = processes(maxHolds) + processes(maxStreams);
  if (connectionsPerCaller >= least) return;
  throw new Error(
    `${kind} "${prefix}connectionsPerCaller" is ${connectionsPerCaller}: it must be at least ${least}, since the hub's ` +
      'own sockets count as one caller. That is maxHolds + maxStreams; ' +
      `for either that is 0 it is heldPerCaller, ${UNRESERVED} at most`,
  );
}

function refuseIncompleteBudget({ monthlyBudget, budgetEmail }: Config, { kind, prefix }: Naming): void {
  if (monthlyBudget > 0 === (budgetEmail !== '')) return;
  const [missing, needed] =
    budgetEmail === '' ? ['budgetEmail', 'monthlyBudget'] : ['monthlyBudget', 'budgetEmail'];
  throw new Error(`${kind} "${prefix}${missing}" is needed for "${prefix}${needed}": set both, or neither`);
}

/**
 * Bytes that the operator's texts may take in the environment of a function. Lambda allows 4,096 bytes for all variables, with names,
 * quotation marks and escapes ("String measured" in its error is JSON). The variables of the stack take up to 1,100.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 * https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3594
 */
export const MAX_TEXT_BYTES = 2_800;

/** Bytes of the variable with the secret of the front door, which not every hub has: its name, and 64 characters (gateways/door.ts). */
const SECRET_BYTES = 75;

function refuseLongTexts(
  { anonymous, issuer, origins, presence, stamp, domain, webAcl, hooks }: Config,
  { kind, prefix }: Naming,
): void {
  const sizes = {
    anonymous: bytesInJson(JSON.stringify(anonymous)),
    'issuer, issuerAudience, jwksUrl and claims': bytesInJson(JSON.stringify(issuer ?? null)),
    origins: bytesInJson(String(origins)),
    presence: bytesInJson(JSON.stringify(presence)),
    stamp: bytesInJson(JSON.stringify(stamp)),
    ...(hooks.length > 0 ? { onPublish: bytesOfHooks(hooks) } : {}),
    ...(domain || webAcl ? { 'the secret that closes the APIs': SECRET_BYTES } : {}),
  };
  const all = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  if (all <= MAX_TEXT_BYTES) return;
  const each = Object.entries(sizes).map(([keys, size]) => `${size} of ${keys}`);
  throw new Error(
    `${kind}s "${prefix}anonymous", "${prefix}claims", "${prefix}origins", "${prefix}presence" and "${prefix}stamp" take ${all} bytes in the environment of a ` +
      `function: ${each.join(', ')}. They must be ${MAX_TEXT_BYTES} at most together, since Lambda has 4 KB for all variables`,
  );
}

/** The most bytes of the ARN of a function: a name of 64 characters, and a version or an alias of 32. It is known at deployment only. */
const ARN_BYTES = 160;

/** Returns the bytes of the variable that only a hub with hooks has, with its name. */
const bytesOfHooks = (hooks: readonly HookConfig[]): number =>
  bytesInJson(
    `"HOOKS":${JSON.stringify(hooks.map(({ pattern, timeoutMs }) => [pattern, 'a'.repeat(ARN_BYTES), timeoutMs]))}`,
  );

const bytesInJson = (text: string): number => Buffer.byteLength(JSON.stringify(text));
