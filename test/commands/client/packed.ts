/**
 * The client as other projects get it: built, packed by npm, and installed in an empty folder outside this project.
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'vitest';
import { run } from '../support.ts';

export const ROOT = resolve(import.meta.dirname, '../../..');

/** A folder with an application in which the client is installed. */
export interface Application {
  /** The folder that `npm run build` made. */
  readonly built: string;
  /** The file that `npm pack` made of it. */
  readonly tarball: string;
  /** The folder of the application. */
  readonly app: string;
  /** Runs a program in the application. Returns its output. Fails if the program fails. */
  readonly spawned: (program: string, ...args: readonly string[]) => string;
  /** Compiles with the options of a project, without output files. */
  readonly compile: (config: string, ...more: readonly string[]) => string;
}

/**
 * Builds, packs and installs the client below `cwd`, without the network.
 * @param linked packages of this project that the application has as well
 */
export async function installPacked(cwd: string, linked: readonly string[]): Promise<Application> {
  const command = run(cwd, 'scripts/build.ts');
  expect(await command.ended, command.output()).toBe(0);
  const built = join(cwd, 'dist/client');
  const app = join(cwd, 'app');
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{"name":"app","private":true}');
  const spawned = (program: string, ...args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: app, encoding: 'utf8' });
    expect(status, `${program} ${args.join(' ')}\n${stdout}${stderr}`).toBe(0);
    return stdout;
  };
  const tarball = join(app, spawned('npm', 'pack', '--silent', built).trim());
  spawned('npm', 'install', '--offline', tarball);
  for (const name of linked) {
    const link = join(app, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link);
  }
  const compile = (config: string, ...more: readonly string[]): string =>
    spawned(join(ROOT, 'node_modules/.bin/tsc'), '-p', config, '--noEmit', ...more);
  return { built, tarball, app, spawned, compile };
}
