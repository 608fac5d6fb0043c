/**
 * What the options of a hub must be to each other; each may be right by itself.
 * @module
 */
import type { HubConfig } from './config.ts';
import { PREFIX } from './context.ts';

/** Checks options against each other. @throws Error with one sentence that names the keys, the value received and the values allowed */
export function refuseTogether(config: HubConfig): void {
  refuseFewConnections(config);
  refuseHalfABudget(config);
  refuseLongTexts(config);
}

/**
 * Readers of one kind that are held at a time where nothing is reserved for them: half of the 1,000 that an account has by
 * default. A process beyond that finds no place for its socket, and looks at its channels once a second instead.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 */
const UNRESERVED = 500;

/** The hub's own connections are a quota, too: each process that holds readers has one, by which it is woken. */
function refuseFewConnections({
  connectionsPerCaller,
  heldPerCaller,
  maxHolds,
  maxStreams,
}: HubConfig): void {
  // Where nothing is reserved, one caller alone should be woken in all that it may have.
  const processes = (reserved: number): number => reserved || Math.min(heldPerCaller, UNRESERVED);
  const least = processes(maxHolds) + processes(maxStreams);
  if (connectionsPerCaller >= least) return;
  throw new Error(
    `context key "${PREFIX}connectionsPerCaller" is ${connectionsPerCaller}: it must be at least ${least}, since the hub's ` +
      'own sockets are a caller, too. That is maxHolds + maxStreams; ' +
      `for either that is 0 it is heldPerCaller, ${UNRESERVED} at most`,
  );
}

function refuseHalfABudget({ monthlyBudget, budgetEmail }: HubConfig): void {
  if (monthlyBudget > 0 === (budgetEmail !== '')) return;
  const [missing, needed] =
    budgetEmail === '' ? ['budgetEmail', 'monthlyBudget'] : ['monthlyBudget', 'budgetEmail'];
  throw new Error(
    `context key "${PREFIX}${missing}" is needed for "${PREFIX}${needed}": set both, or neither`,
  );
}

/**
 * Bytes of the texts that an operator writes, in the environment of a function. Lambda allows 4,096 for all variables, names,
 * quotation marks and escapes included ("String measured" in its error is JSON), and what the stack adds takes up to 1,100.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 * https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3594
 */
export const MAX_TEXT_BYTES = 2_800;

function refuseLongTexts({ anonymous, issuer, origins }: HubConfig): void {
  const sizes = {
    anonymous: bytesInJson(JSON.stringify(anonymous)),
    'issuer, issuerAudience, jwksUrl and claims': bytesInJson(JSON.stringify(issuer ?? null)),
    origins: bytesInJson(String(origins)),
  };
  const all = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  if (all <= MAX_TEXT_BYTES) return;
  const each = Object.entries(sizes).map(([keys, size]) => `${size} of ${keys}`);
  throw new Error(
    `context keys "${PREFIX}anonymous", "${PREFIX}claims" and "${PREFIX}origins" take ${all} bytes in the environment of a ` +
      `function: ${each.join(', ')}. They must be ${MAX_TEXT_BYTES} at most together, since Lambda has 4 KB for all variables`,
  );
}

const bytesInJson = (text: string): number => Buffer.byteLength(JSON.stringify(text));
