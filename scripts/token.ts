/**
 * `npm run token`: mints a token for the local hub or for a deployed one.
 * @module
 */
import { type Capability, isTenant, parseCapability } from '../protocol/capability.ts';
import { MAX_PRINCIPAL_LENGTH } from '../protocol/limits.ts';
import { command, UsageError } from './cli.ts';
import { keysIn, storeFor } from './hub/hub-keys.ts';
import { mint } from './mint.ts';

const HELP = `usage: npm run token -- [OPTIONS]

Prints a token for the hub that runs here (npm start), or for the deployed one that --stage names. docs/tokens.md
explains tokens, and how a backend mints them.

  --capability JSON  what the token allows, by channel or pattern:
                     '{"chat/*":["publish","subscribe"],"*":["webhook","manage"]}'
                     (default: to publish and subscribe everywhere, or below NAME/ with --tenant)
  --sub NAME         the user that the token is for: quotas count by this name, and DELETE /connections ends its sockets
  --tenant NAME      patterns that do not begin with NAME/ grant nothing
  --ttl TIME         how long the token is valid: 90s, 15m, 1h or 30d (default 1h)
  --stage NAME       the stage of a deployed hub; uses your AWS credentials and region
  --key              prints TIDINGS_KEY and TIDINGS_AUDIENCE instead, for a backend that mints tokens itself: keep them secret`;

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

const OPTIONS = {
  capability: { type: 'string' },
  sub: { type: 'string' },
  tenant: { type: 'string' },
  ttl: { type: 'string', default: '1h' },
  stage: { type: 'string' },
  key: { type: 'boolean' },
} as const;

await command(HELP, OPTIONS, async ({ capability, sub, tenant, ttl, stage, key: isKeyAsked }) => {
  if (isKeyAsked && (capability ?? sub ?? tenant) !== undefined)
    throw new UsageError('--key prints the key itself: --capability, --sub and --tenant do not go with it');
  const request = {
    capability: capability === undefined ? usualFor(tenant) : capabilityOf(capability),
    ttlSeconds: secondsOf(ttl),
    sub: subOf(sub),
    tenant: tenantOf(tenant),
  };
  const keys = await keysIn(await storeFor(stage));
  if (isKeyAsked) {
    process.stdout.write(`TIDINGS_KEY=${keys.key}\nTIDINGS_AUDIENCE=${keys.audience}\n`);
    return;
  }
  const token = await mint({ ...keys, ...request });
  process.stdout.write(`${token}\n`);
  if (process.stderr.isTTY) process.stderr.write(`for ${keys.audience}, valid ${ttl}\n`);
});

/** Returns the rights that a user of an application usually needs: no webhooks, and no management. */
function usualFor(tenant: string | undefined): Capability {
  return { [tenant === undefined ? '*' : `${tenant}/*`]: ['publish', 'subscribe'] };
}

function capabilityOf(text: string): Capability {
  try {
    return parseCapability(JSON.parse(text));
  } catch (error) {
    throw new UsageError(
      `--capability is ${text}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function secondsOf(ttl: string): number {
  const [, amount, unit = ''] = /^(\d{1,6})([smhd])$/.exec(ttl) ?? [];
  const seconds = Number(amount) * (SECONDS[unit] ?? Number.NaN);
  if (!(seconds > 0)) throw new UsageError(`--ttl is ${ttl}, it must be like 90s, 15m, 1h or 30d`);
  return seconds;
}

function subOf(sub: string | undefined): string | undefined {
  if (sub === undefined || (sub !== '' && sub.length <= MAX_PRINCIPAL_LENGTH)) return sub;
  throw new UsageError(`--sub has ${sub.length} characters, it must have 1 to ${MAX_PRINCIPAL_LENGTH}`);
}

function tenantOf(tenant: string | undefined): string | undefined {
  if (tenant === undefined || isTenant(tenant)) return tenant;
  throw new UsageError(`--tenant is ${tenant}, it must be one segment of a channel name and not "tidings"`);
}
