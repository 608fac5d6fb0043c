import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { synth } from '../../local/synth.ts';
import { temporaryDirectory } from './support.ts';

afterEach(() => vi.unstubAllEnvs());

/** An app that fails with the Regions in its environment. */
const TELLS_REGIONS = `
const { CDK_DEFAULT_REGION, AWS_REGION, AWS_DEFAULT_REGION, PATH } = process.env;
process.stderr.write('Regions: ' + [CDK_DEFAULT_REGION, AWS_REGION, AWS_DEFAULT_REGION, typeof PATH].join());
process.exit(1);
`;

it('does not give the app the Region of the developer, because the local stack has every service', async () => {
  for (const name of ['CDK_DEFAULT_REGION', 'AWS_REGION', 'AWS_DEFAULT_REGION'])
    vi.stubEnv(name, 'ca-west-1');
  const project = temporaryDirectory();
  try {
    writeFileSync(join(project.path, 'app.mjs'), TELLS_REGIONS);
    writeFileSync(join(project.path, 'cdk.json'), JSON.stringify({ app: 'node app.mjs' }));
    const done = synth({ projectDir: project.path, outdir: join(project.path, 'cdk.out') });
    await expect(done).rejects.toThrow(/^Regions: ,,,string$/);
  } finally {
    project.remove();
  }
});
