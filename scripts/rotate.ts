/**
 * `npm run rotate`: a new key for the hub that runs here, or for a deployed one (PROTOCOL.md §7.2).
 * @module
 */
import { command } from './cli.ts';
import { rotate, storeFor } from './hub-keys.ts';
import { LOCAL_TOKEN, renewLocalToken } from './local-file.ts';
import { mint } from './mint.ts';

const HELP = `usage: npm run rotate [-- --stage NAME]

Gives a hub a new key to sign tokens with: the one that runs here (npm start), or the deployed one that --stage names.
The key of until now becomes the previous one, and tokens that it has signed stay good until the next rotation. Tokens
of the key before it are refused from now on, within five minutes.

  --stage NAME  the stage of a deployed hub; uses your AWS credentials and region`;

const OPTIONS = { stage: { type: 'string' } } as const;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

await command(HELP, OPTIONS, async ({ stage }) => {
  const { key, audience, since, isEndOfAnother } = await rotate(await storeFor(stage));
  // The prompt's own token would end with the rotation after this one.
  if (stage === undefined) renewLocalToken(await mint({ key, audience, ...LOCAL_TOKEN }));
  const flag = stage === undefined ? '' : ` --stage ${stage}`;
  const first = since?.toISOString() ?? 'its beginning';
  print(`${audience} has a new key.

  minted since ${first}: good until the next rotation
  minted before that: ${isEndOfAnother ? 'refused, within five minutes' : 'none, this is the first rotation'}

What to do next:
  1. mint new tokens, and give them to whoever has one: npm run token --${flag} --capability …
  2. when the last of the old ones has ended or was replaced, rotate again: only then is the old key of no use.
     Not within five minutes: tickets and tokens that the hub signs itself may be that old.

Sockets that are open stay so until their token ends. docs/runbook.md, "Rotate the keys", has the rest.`);
});
