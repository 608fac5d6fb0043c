/**
 * `npm run rotate`: replaces the signing key of the local hub or of a deployed one (PROTOCOL.md §7.2).
 * @module
 */
import { command } from './cli.ts';
import { rotate, storeFor } from './hub/hub-keys.ts';
import { LOCAL_TOKEN, renewLocalToken } from './hub/local-file.ts';
import { mint } from './mint.ts';

const HELP = `usage: npm run rotate [-- --stage NAME]

Gives a hub a new key that signs tokens: the hub that runs here (npm start), or the deployed one that --stage names. The
current key becomes the previous one, and its tokens stay valid until the next rotation. Tokens of the key before it are
refused within five minutes.

  --stage NAME  the stage of a deployed hub; uses your AWS credentials and region`;

const OPTIONS = { stage: { type: 'string' } } as const;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

await command(HELP, OPTIONS, async ({ stage }) => {
  const { key, audience, since, isEndOfAnother } = await rotate(await storeFor(stage));
  // The token in the local file is signed with the old key. It would end with the next rotation.
  if (stage === undefined) renewLocalToken(await mint({ key, audience, ...LOCAL_TOKEN }));
  const flag = stage === undefined ? '' : ` --stage ${stage}`;
  const first = since?.toISOString() ?? 'its beginning';
  print(`${audience} has a new key.

  minted since ${first}: valid until the next rotation
  minted before that: ${isEndOfAnother ? 'refused, within five minutes' : 'none, this is the first rotation'}

What to do next:
  1. mint new tokens, and give one to each caller that has an old one: npm run token --${flag} --capability …
  2. when all old tokens have expired or are replaced, rotate again. Only then is the old key useless.
     Wait at least five minutes: tickets, and tokens that the hub signs itself, may be that old.

Open sockets stay open until their token ends. docs/runbook.md, "Rotate the keys", explains more.`);
});
