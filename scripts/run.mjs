/**
 * Runs a script on the Node of this project, after installing missing packages. Every npm script starts here.
 *
 * It is plain JavaScript, because the machine's own Node runs it, in any version from 20 on, before anything is
 * installed.
 * @module
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 20;
const root = fileURLToPath(new URL('..', import.meta.url));
const modules = join(root, 'node_modules');
/** The devDependency `node`: the version that the functions have in AWS. */
const node = join(modules, 'node', 'bin', 'node');

const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail('usage: node scripts/run.mjs <script> [arguments]');
if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  fail(`Node ${OLDEST_NODE} or newer is needed, this is ${process.versions.node}: see https://nodejs.org`);
}
if (!isInstalled()) await install();

const child = spawn(node, [join(root, script), ...args], {
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: join(modules, '.bin') + delimiter + (process.env.PATH ?? ''),
    // Caches compiled code of the CDK and the SDK, which makes each later start a third of a second faster.
    NODE_COMPILE_CACHE: join(modules, '.cache', 'compile'),
  },
});
// A terminal sends Ctrl-C to both processes. A signal from another process reaches only this one, so it is passed on.
process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
});

/** True if every package of the lock file is installed in its version. Packages for other platforms are optional. */
function isInstalled() {
  if (!existsSync(node)) return false;
  try {
    const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    const found = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')).packages;
    return Object.entries(wanted).every(
      ([path, { version, optional }]) =>
        path === '' || (found[path] ? found[path].version === version : optional),
    );
  } catch {
    return false;
  }
}

async function install() {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1_000);
  process.stderr.write('installing the dependencies; this takes most of a minute, once\n');
  const npm = spawn('npm', ['ci', '--loglevel=error', '--no-progress'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  const isLive = process.stderr.isTTY;
  const telling = setInterval(
    () => {
      const line = `installing … ${seconds()} s, ${countInstalled()}`;
      process.stderr.write(isLive ? `\r\u001b[2K${line}` : `${line}\n`);
    },
    isLive ? 1_000 : 2_000,
  );
  const status = await new Promise((resolve) => npm.on('error', resolve).on('close', resolve));
  clearInterval(telling);
  if (isLive) process.stderr.write('\r\u001b[2K');
  if (status !== 0) fail('npm ci failed, see above; check the network and run the command again');
  process.stderr.write(`installed in ${seconds()} s\n`);
}

/** Returns how many packages of the lock file are there. npm unpacks them one after the other, and then runs their scripts. */
function countInstalled() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wanted = Object.keys(packages).filter((path) => path !== '' && !packages[path].optional);
  const found = wanted.filter((path) => existsSync(join(root, path, 'package.json')));
  return `${found.length} of ${wanted.length} packages`;
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`tidings: ${message}\n`);
  process.exit(1);
}
