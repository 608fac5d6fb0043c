/**
 * `npm run token`: mints a token for the hub that runs here, or for a deployed one.
 * @module
 */
import { type Capability, parseCapability } from '../protocol/capability.ts';
import { command, UsageError } from './cli.ts';
import { keysIn, storeFor } from './hub-keys.ts';
import { mintToken } from './mint.ts';

const HELP = `usage: npm run token -- --capability JSON [--ttl TIME] [--stage NAME]

Prints a token for the hub that runs here (npm start), or for the deployed one that --stage names.

  --capability JSON  what it may do, by channel or pattern:
                     '{"chat/*":["publish","subscribe"],"*":["webhook","manage"]}'
  --ttl TIME         how long it is valid: 90s, 15m, 1h or 30d (default 1h)
  --stage NAME       the stage of a deployed hub; uses your AWS credentials and region`;

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

const OPTIONS = {
  capability: { type: 'string' },
  ttl: { type: 'string', default: '1h' },
  stage: { type: 'string' },
} as const;

await command(HELP, OPTIONS, async ({ capability, ttl, stage }) => {
  if (capability === undefined) throw new UsageError('--capability is missing');
  const request = { capability: capabilityOf(capability), ttlSeconds: secondsOf(ttl) };
  const keys = await keysIn(await storeFor(stage));
  const token = await mintToken({ ...keys, ...request });
  process.stdout.write(`${token}\n`);
  if (process.stderr.isTTY) process.stderr.write(`for ${keys.audience}, valid ${ttl}\n`);
});

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
