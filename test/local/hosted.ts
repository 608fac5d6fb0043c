/**
 * A stack in a separate process, which a test may kill.
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { objectOr, parseJson, requireString } from '../../local/template/json.ts';

export interface HostedStack {
  readonly url: string;
  /** Settings of an SDK client with the admin key. */
  readonly settings: {
    endpoint: string;
    region: string;
    maxAttempts: number;
    credentials: { accessKeyId: string; secretAccessKey: string };
  };
  readonly control: string;
  output(name: string): string;
  readonly process: ChildProcess;
  /** Sends the signal to the process alone. Resolves with its exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts the process, and resolves when the stack is ready. `log` takes its lines. */
export async function startHosted(
  assembly: string,
  data?: string,
  log: (line: string) => void = () => {},
): Promise<HostedStack> {
  const program = fileURLToPath(new URL('fixture/host.ts', import.meta.url));
  const host = spawn(process.execPath, [program, assembly, ...(data === undefined ? [] : [data])], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  createInterface({ input: host.stderr }).on('line', log);
  const [first]: unknown[] = await once(host.stdout, 'data');
  const started = objectOr(parseJson(String(first)));
  const text = (value: unknown) => requireString(value, 'a value of the host');
  const { endpoint, region, accessKeyId, secretAccessKey } = objectOr(started.aws);
  return {
    url: text(started.url),
    settings: {
      endpoint: text(endpoint),
      region: text(region),
      maxAttempts: 1,
      credentials: { accessKeyId: text(accessKeyId), secretAccessKey: text(secretAccessKey) },
    },
    control: text(started.control),
    output: (name) => text(objectOr(started.outputs)[name]),
    process: host,
    async end(signal) {
      const gone = once(host, 'exit');
      host.kill(signal);
      await gone;
      return host.exitCode;
    },
  };
}
