import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type LocalStack, startLocalStack } from '../../../local/stack.ts';
import { startHosted } from '../hosted.ts';
import { at, type Gate, isAlive, jsonOf, startGate, synthesizeFixture } from '../support.ts';

let fixture: Awaited<ReturnType<typeof synthesizeFixture>>;
let gate: Gate;
const lines: string[] = [];
const log = (line: string) => lines.push(line);
beforeAll(async () => {
  fixture = await synthesizeFixture();
  gate = await startGate();
});
afterAll(async () => {
  await gate.close();
  fixture.remove();
});

/** Maximum wait for a condition on a busy machine. */
const patiently = { timeout: 20_000 };

const post = (stack: LocalStack, path: string, body: string) =>
  fetch(`${stack.url}${path}`, { method: 'POST', body });

describe('one environment process', () => {
  let stack: LocalStack;
  beforeAll(async () => {
    stack = await startLocalStack({ assembly: fixture.assembly, log });
  });
  afterAll(() => stack.close());
  afterEach(() => lines.splice(0));
  const trouble = (way: string) => post(stack, '/trouble', way);
  const pid = async () => Number((await jsonOf(await trouble('fine'))).pid);
  /** Returns the processes of all functions. One may be started ahead of demand. */
  const pids = async (): Promise<number[]> => {
    const processes: unknown = await (await fetch(`${stack.control}/processes`)).json();
    return Array.isArray(processes) ? processes.map(({ pid }) => Number(pid)) : [];
  };

  it('is reused for the next invocation', async () => {
    expect(await pid()).toBe(await pid());
  });

  it('is billed for each invocation and its time', async () => {
    const runs = async (): Promise<{ count: number; ms: number }> => {
      const rows: unknown = await (await fetch(`${stack.control}/runs`)).json();
      const all = Array.isArray(rows) ? rows : [];
      return {
        count: all.reduce((sum, { count }) => sum + Number(count), 0),
        ms: all.reduce((sum, { ms }) => sum + Number(ms), 0),
      };
    };
    const before = await runs();
    await pid();
    const after = await runs();
    expect(after.count).toBe(before.count + 1);
    expect(after.ms).toBeGreaterThan(before.ms);
  });

  it('has the variables of the template and of Lambda, and none of its parent', async () => {
    process.env.SECRET_OF_THE_PARENT = 'do not tell';
    process.env.AWS_PROFILE = 'production';
    const env = await jsonOf(await trouble('env'));
    expect(env).toMatchObject({
      TABLE: stack.outputs.TableName,
      AWS_REGION: 'us-east-1',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
      AWS_ENDPOINT_URL: stack.aws.endpoint,
      _HANDLER: 'trouble.handler',
    });
    const known = /^(TABLE|SECRET|AWS_\w+|_HANDLER|LAMBDA_TASK_ROOT|PATH|LANG|TZ)$/;
    expect(Object.keys(env).filter((name) => !known.test(name))).toEqual([]);
    expect(env).not.toHaveProperty('AWS_PROFILE');
    expect(env.PATH).not.toBe(process.env.PATH);
    expect(env.AWS_ACCESS_KEY_ID).not.toBe(stack.aws.accessKeyId);
  });

  it('gives the handler a context', async () => {
    const context = await jsonOf(await trouble('context'));
    expect(context).toMatchObject({ memoryLimitInMB: '256' });
    expect(context.invokedFunctionArn).toBe(
      `arn:aws:lambda:us-east-1:000000000000:function:${String(context.functionName)}`,
    );
    expect(Number(context.remaining)).toBeGreaterThan(0);
    expect(Number(context.remaining)).toBeLessThanOrEqual(2_000);
  });

  it('reports a thrown error and goes on', async () => {
    const before = await pid();
    const response = await trouble('throw');
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ message: 'Internal Server Error' });
    expect(lines.join('\n')).toMatch(/\[Trouble\] .* Invoke Error .*"RangeError"/);
    expect(lines.join('\n')).toContain('failed with RangeError: on purpose');
    expect(await pid()).toBe(before);
  });

  it.each([
    ['hang', 'Sandbox.Timedout'],
    ['spin', 'Sandbox.Timedout'],
    ['exit', 'Runtime.ExitError'],
    ['forget', 'Runtime.ExitError'],
    ['reject', 'Runtime.ExitError'],
  ])('that does "%s" ends, is reported as %s, and is replaced', async (way, type) => {
    await pid();
    const before = await pids();
    expect((await trouble(way)).status).toBe(500);
    expect(lines.join('\n')).toContain(`failed with ${type}`);
    await vi.waitFor(() => expect(before.filter(isAlive)).toHaveLength(before.length - 1), patiently);
    expect(isAlive(await pid())).toBe(true);
  });

  it('that cannot load its module fails each invocation with the error', async () => {
    for (const _ of [1, 2]) expect((await post(stack, '/broken', '')).status).toBe(500);
    expect(
      lines.filter((line) => line.includes('failed with Error: this module cannot be loaded')),
    ).toHaveLength(2);
  });

  it('prints its lines under the name of its function', async () => {
    await trouble('print hello');
    await vi.waitFor(() => expect(lines).toContain('[Trouble] hello'), patiently);
  });

  it('loses its lines without a grant for its log, which is logged once', async () => {
    await post(stack, '/silent', 'print one');
    await post(stack, '/silent', 'print two');
    await vi.waitFor(
      () => expect(lines.join('\n')).toContain('[Silent] has no grant for logs:PutLogEvents'),
      patiently,
    );
    await post(stack, '/silent', 'print three');
    expect(lines.filter((line) => line.startsWith('[Silent]'))).toHaveLength(1);
  });

  it('is throttled above its reserved concurrency, and goes on after the timeout of the gateway', async () => {
    const held = post(stack, '/narrow', gate.port);
    await gate.arrived(1);
    const throttled = await post(stack, '/narrow', gate.port);
    expect(throttled.status).toBe(503);
    expect(await throttled.json()).toEqual({ message: 'Service Unavailable' });
    // The integration of this route waits for two seconds, and the function may run for ten.
    expect((await held).status).toBe(503);
    expect((await post(stack, '/narrow', gate.port)).status).toBe(503);
    gate.open();
    const next = vi.waitFor(async () => {
      const response = await post(stack, '/narrow', gate.port);
      expect(response.status).toBe(200);
    }, patiently);
    await gate.arrived(1);
    gate.open();
    await next;
  });
});

describe('concurrency', () => {
  /** Sends three requests. All of them are in the handler before one may answer. */
  async function pidsOfThree(stack: LocalStack): Promise<Set<string>> {
    const held = [1, 2, 3].map(() => post(stack, '/gate', gate.port));
    const pids = await gate.arrived(3);
    gate.open();
    for (const response of held) expect((await response).status).toBe(200);
    return new Set(pids);
  }

  it.each([
    ['by default each request has a process', {}, 3],
    ['several requests share a process if they may', { concurrency: 64 }, 1],
    ['two requests share a process, the third has another', { concurrency: 2 }, 2],
  ])('%s', async (_, options, processes) => {
    const stack = await startLocalStack({ assembly: fixture.assembly, ...options });
    try {
      expect((await pidsOfThree(stack)).size).toBe(processes);
      // The idle processes are reused: the same load starts no new process.
      expect((await pidsOfThree(stack)).size).toBe(processes);
    } finally {
      await stack.close();
    }
  });

  it('counts requests, not processes, for the reserved concurrency', async () => {
    const stack = await startLocalStack({ assembly: fixture.assembly, concurrency: 64 });
    try {
      const held = [1, 2, 3].map(() => post(stack, '/wide', gate.port));
      expect(new Set(await gate.arrived(3)).size).toBe(1);
      for (const _ of [4, 5]) expect((await post(stack, '/wide', gate.port)).status).toBe(503);
      gate.open();
      for (const response of held) expect((await response).status).toBe(200);
    } finally {
      await stack.close();
    }
  });

  it('serves every request of a burst', async () => {
    const stack = await startLocalStack({ assembly: fixture.assembly, concurrency: 8 });
    try {
      const responses = await Promise.all(Array.from({ length: 60 }, () => fetch(`${stack.url}/echo`)));
      expect(responses.map(({ status }) => status)).toEqual(Array.from({ length: 60 }, () => 200));
      await Promise.all(responses.map((response) => response.text()));
    } finally {
      await stack.close();
    }
  });

  it('a timeout fails all invocations of the process, and the others run elsewhere', async () => {
    const stack = await startLocalStack({ assembly: fixture.assembly, log });
    try {
      await (await post(stack, '/trouble', 'fine')).text();
      const spinning = post(stack, '/trouble', 'spin');
      const others = [1, 2, 3].map(() => post(stack, '/trouble', 'fine'));
      expect((await spinning).status).toBe(500);
      // The outcome depends on what the process had received. But each request has one.
      for (const response of await Promise.all(others)) expect([200, 500]).toContain(response.status);
    } finally {
      await stack.close();
    }
  });
});

describe('the processes of functions', () => {
  it('have ended after close, even one in a loop', async () => {
    const stack = await startLocalStack({ assembly: fixture.assembly });
    const pids = [Number((await jsonOf(await post(stack, '/trouble', 'fine'))).pid)];
    const held = post(stack, '/gate', gate.port).catch(() => undefined);
    pids.push(...(await gate.arrived(1)).map(Number));
    const spinning = post(stack, '/trouble', 'spin').catch(() => undefined);
    await stack.close();
    expect(pids.filter(isAlive)).toEqual([]);
    await Promise.all([held, spinning]);
    gate.open();
    await expect(fetch(stack.url)).rejects.toThrow();
    await stack.close();
  });

  it('end after SIGKILL of the stack, even one in a loop', async () => {
    const host = await startHosted(fixture.assembly);
    const at = (path: string, body: string) => fetch(`${host.url}${path}`, { method: 'POST', body });
    const stuck = Number((await jsonOf(await at('/trouble', 'fine'))).pid);
    // The compile cache that the processes of the stack share.
    const args = execFileSync('ps', ['-o', 'args=', '-p', String(stuck)], { encoding: 'utf8' });
    const compiled = args.trim().split(' ').at(-1) ?? '';
    expect(existsSync(compiled)).toBe(true);
    const held = at('/gate', gate.port).catch(() => undefined);
    const [waiting] = await gate.arrived(1);
    const spinning = at('/trouble', 'spin').catch(() => undefined);
    await host.end('SIGKILL');
    await vi.waitFor(() => expect([stuck, Number(waiting)].filter(isAlive)).toEqual([]), patiently);
    await vi.waitFor(() => expect(existsSync(compiled)).toBe(false), patiently);
    await Promise.all([held, spinning]);
    gate.open();
  });
});

it('the context has the members of Lambda', async () => {
  const stack = await startLocalStack({ assembly: fixture.assembly });
  try {
    expect(stack.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(stack.outputs).toMatchObject({ ApiUrl: stack.url, SpelledUrl: `${stack.url}/` });
    expect(at(stack, 'functionUrls')).toEqual({
      'Front/Echo/FunctionUrl': expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      'Front/Streamer/FunctionUrl': String(stack.outputs.StreamUrl).replace(/\/$/, ''),
    });
  } finally {
    await stack.close();
  }
});
