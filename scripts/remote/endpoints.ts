/**
 * `npm run endpoints`: the endpoints of webhooks, and their deliveries (PROTOCOL.md §13).
 * @module
 */
import { ownValue } from '../../protocol/fields.ts';
import { commandWithWords, UsageError } from '../cli.ts';
import { ACTIONS, type Action, type Asked } from './endpoint-actions.ts';
import { findRemoteHub, HUB_HELP, HUB_OPTIONS } from './remote-hub.ts';

/** Deliveries that are printed if `--last` does not say how many. */
const LAST = 20;
const MOST_LAST = 100_000;

const HELP = `usage: npm run endpoints [-- COMMAND] [OPTIONS]

  list                      lists all endpoints: status, health, rate, URL and channels (default)
  show ENDPOINT             prints all members of one
  add URL PATTERN…          makes one that gets the messages of these channels, and prints its secret, once
  deliveries ENDPOINT       prints its deliveries, the latest first
  delivery ENDPOINT ID      prints one with its attempts and their answers
  test ENDPOINT             sends a test message, and waits for the answer
  retry ENDPOINT ID         sends a delivery again, and waits for the answer
  replay ENDPOINT           sends all messages of --channel again, from --offset or --since on
  recover ENDPOINT          sends again what failed or was skipped, of what was published --since a time
  rotate ENDPOINT           makes a new secret and prints it, once; the present one also signs for 24 hours
  handshake ENDPOINT        asks a pending one again whether it wants events
  enable ENDPOINT           makes the hub try it again, as if it had never failed
  disable ENDPOINT          stops it
  remove ENDPOINT           removes it

  --status S       deliveries that are sending, waiting, delivered, failed, skipped or expired
  --last N         prints the last N deliveries (default ${LAST})
  --channel NAME   the channel to replay
  --offset O       replays from this offset on
  --since TIME     replays or recovers what was published since then: 2026-01-31T12:00:00Z, or 90s, 15m, 1h or 2d ago
  --yes            removes without a question
  --json           prints one JSON value in each line
${HUB_HELP}

The exit code is 0 if it is done, 1 if the hub or the endpoint refuses or cannot be reached, and 2 for a mistake in the command.`;

const OPTIONS = {
  status: { type: 'string' },
  last: { type: 'string' },
  channel: { type: 'string' },
  offset: { type: 'string' },
  since: { type: 'string' },
  yes: { type: 'boolean' },
  json: { type: 'boolean', default: false },
  ...HUB_OPTIONS,
} as const;

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

await commandWithWords(HELP, OPTIONS, async (flags, [verb = 'list', ...words]) => {
  const action = ownValue(ACTIONS, verb);
  if (action === undefined)
    throw new UsageError(`"${verb}" must be one of ${Object.keys(ACTIONS).join(', ')}`);
  checkWords(verb, action, words);
  for (const name of ['status', 'last', 'channel', 'offset', 'since', 'yes'] as const)
    if (flags[name] !== undefined && !action.flags?.includes(name))
      throw new UsageError(`--${name} does not go with ${verb}`);
  const [endpoint = '', id = ''] = words;
  const asked: Omit<Asked, 'hub'> = {
    endpoint,
    id,
    words,
    channel: flags.channel,
    offset: flags.offset,
    since: flags.since === undefined ? undefined : timeOf(flags.since, Date.now()),
    status: flags.status,
    last: flags.last === undefined ? LAST : countOf(flags.last),
    isSure: flags.yes ?? false,
    isJson: flags.json,
  };
  action.check?.(asked);
  await action.run({ ...asked, hub: await findRemoteHub(flags, { '*': ['webhook'] }) });
});

function checkWords(verb: string, { words: names, isOpen = false }: Action, words: readonly string[]): void {
  const missing = names[words.length];
  if (missing !== undefined)
    throw new UsageError(`${verb} needs ${names.join(' and ')}: ${missing} is missing`);
  const extra = words[names.length];
  if (extra !== undefined && !isOpen) throw new UsageError(`"${extra}" is one word too many for ${verb}`);
}

/** Returns an RFC 3339 time. */
function timeOf(text: string, now: number): string {
  const [, amount, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(amount) * (SECONDS[unit] ?? Number.NaN);
  if (seconds > 0) return new Date(now - seconds * 1_000).toISOString();
  if (/^\d{4}-\d{2}-\d{2}T/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new UsageError(`--since is ${text}, it must be like 2026-01-31T12:00:00Z, or 90s, 15m, 1h or 2d`);
}

function countOf(text: string): number {
  const number = Number(text);
  if (text !== '' && Number.isInteger(number) && number >= 1 && number <= MOST_LAST) return number;
  throw new UsageError(`--last is ${text}, it must be a whole number from 1 to ${MOST_LAST}`);
}
