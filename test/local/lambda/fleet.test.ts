import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Environment, Invocation } from '../../../local/lambda/environment.ts';
import { createFleet, type FleetOptions, START_MS } from '../../../local/lambda/fleet.ts';
import type { InvocationOutcome } from '../../../local/lambda/response.ts';
import type { FunctionPlan } from '../../../local/template/plan.ts';

function planOf(path: string): FunctionPlan {
  return {
    path,
    name: path,
    arn: `arn:aws:lambda:us-east-1:000000000000:function:${path}`,
    role: { name: path, statements: [] },
    directory: '/nowhere',
    handler: 'index.handler',
    environment: {},
    memoryMb: 128,
    timeoutMs: 3_000,
    reservedConcurrency: undefined,
    logGroup: path,
    createsLogGroup: false,
    isTraced: false,
  };
}

const A = planOf('Stack/A');
const B = planOf('Stack/B');

/** An environment that the test controls. */
interface Made {
  readonly plan: FunctionPlan;
  readonly environment: Environment;
  readonly given: Invocation[];
  readonly getReady: () => Promise<void>;
  readonly finish: () => void;
  /** Ends its process. */
  readonly end: (whyNotReady?: string) => Promise<void>;
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

function createScene(more: Partial<FleetOptions> = {}) {
  const concurrency = more.concurrency ?? 1;
  const made: Made[] = [];
  const outcomes: string[] = [];

  function start(plan: FunctionPlan): Environment {
    const given: Invocation[] = [];
    const { promise: ready, resolve } = Promise.withResolvers<boolean>();
    let isReady = false;
    let isDead = false;
    const id = String(made.length);
    const environment: Environment = {
      id,
      accessKeyId: id,
      logStream: id,
      plan,
      pid: undefined,
      load: () => given.length,
      idle: () => given.length === 0,
      ready,
      accepts: () => isReady && !isDead && given.length < concurrency,
      give: (invocation) => void given.push(invocation),
      serve: () => {},
      stop: () => {},
      kill: () => {
        isDead = true;
      },
      gone: Promise.resolve(),
    };
    made.push({
      plan,
      environment,
      given,
      getReady: async () => {
        isReady = true;
        resolve(true);
        await soon();
      },
      finish: () => {
        given.shift()?.release();
        fleet.freed(environment);
      },
      end: async (why) => {
        isDead = true;
        resolve(false);
        const failure = { kind: 'failure', type: 'Error', message: why ?? '' } as const;
        fleet.gone(environment, { unstarted: given.splice(0), whyNotReady: why ? () => failure : undefined });
        await soon();
      },
    });
    return environment;
  }

  const fleet = createFleet({
    functions: [A, B],
    concurrency,
    maxEnvironments: 10,
    maxStarting: 10,
    helps: () => true,
    start,
    ...more,
  });
  let count = 0;
  const take = async (plan: FunctionPlan) => {
    const id = String(++count);
    const settle = ({ kind }: InvocationOutcome) => void outcomes.push(`${id} ${kind}`);
    fleet.take(plan, { id, payload: Buffer.alloc(0), settle, release: () => {} });
    await soon();
  };
  const at = (index: number): Made => {
    const found = made[index];
    if (found === undefined) throw new Error(`no environment ${index} was started`);
    return found;
  };
  return { fleet, made, at, take, outcomes, ids: (n: number) => at(n).given.map(({ id }) => id) };
}

// Not setImmediate, which the tests use to settle the promises of the fleet.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** Advances the clock until the fleet has checked its pools again. */
async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms + LOOK_MS);
  await soon();
}
const LOOK_MS = 100;

it('starts an environment for the first invocation, and another one only if none becomes free in time', async () => {
  const scene = createScene();
  expect(scene.made).toEqual([]);
  await scene.take(A);
  await scene.take(A);
  expect(scene.made.map(({ plan }) => plan.path)).toEqual([A.path]);
  await scene.at(0).getReady();
  expect(scene.ids(0)).toEqual(['1']);
  scene.at(0).finish();
  expect(scene.ids(0)).toEqual(['2']);
  await pass(START_MS);
  expect(scene.made).toHaveLength(1);
});

it('starts an environment for each overdue invocation, and one ahead of demand', async () => {
  const scene = createScene();
  await scene.take(A);
  await scene.at(0).getReady();
  await scene.take(A);
  await pass(START_MS);
  expect(scene.made.map(({ plan }) => plan.path)).toEqual([A.path, A.path, A.path]);
  await scene.at(1).getReady();
  await scene.at(2).getReady();
  await scene.take(A);
  expect([scene.ids(1), scene.ids(2)].flat().toSorted()).toEqual(['2', '3']);
  expect(scene.made).toHaveLength(3);
});

it('starts an environment at once if all of them have held their requests for longer than a start takes', async () => {
  const scene = createScene();
  await scene.take(A);
  await scene.at(0).getReady();
  await pass(START_MS);
  await scene.take(A);
  expect(scene.made).toHaveLength(2);
});

it('starts none that does not help while environments become free, and one if all of them hold their requests', async () => {
  const scene = createScene({ helps: (plan, members) => plan === B || members < 1 });
  await scene.take(A);
  await scene.at(0).getReady();
  for (let n = 0; n < 20; n++) await scene.take(A);
  for (let n = 0; n < 10; n++) {
    scene.at(0).finish();
    await pass(0);
  }
  expect(scene.made).toHaveLength(1);
  await scene.take(B);
  await pass(0);
  expect(scene.made.map(({ plan }) => plan.path)).toEqual([A.path, B.path]);
  await pass(START_MS);
  expect(scene.made.map(({ plan }) => plan.path)).toEqual([A.path, B.path, A.path]);
});

it('pauses after a start while environments become free', async () => {
  const scene = createScene();
  await scene.take(A);
  await pass(2 * LOOK_MS); // so long does the start take
  await scene.at(0).getReady();
  for (let n = 0; n < 20; n++) await scene.take(A);
  let passed = 0;
  while (scene.made.length === 1) {
    scene.at(0).finish();
    await pass(0);
    passed += LOOK_MS;
  }
  expect(passed).toBeGreaterThanOrEqual(2 * 2 * LOOK_MS);
  expect(passed).toBeLessThan(10 * LOOK_MS);
});

it('gives an invocation that waits for a start to the first environment that is free', async () => {
  const scene = createScene({ maxStarting: 1 });
  await scene.take(A);
  await scene.at(0).getReady();
  for (const _ of [2, 3, 4]) await scene.take(A);
  await pass(START_MS);
  scene.at(0).finish();
  scene.at(0).finish();
  scene.at(0).finish();
  expect(scene.ids(0)).toEqual(['4']);
  // Only the start that has begun goes on. The others do not start.
  await scene.at(1).getReady();
  expect(scene.made).toHaveLength(2);
});

it('starts no more environments at the same time than the limit', async () => {
  const scene = createScene({ maxStarting: 2 });
  for (const _ of [1, 2, 3, 4]) await scene.take(A);
  await pass(START_MS);
  expect(scene.made).toHaveLength(2);
  await scene.at(0).getReady();
  await pass(2 * (START_MS + LOOK_MS));
  expect(scene.made).toHaveLength(3);
});

/** Starts two environments of A. The first one finishes last. */
async function idleTwo(scene: ReturnType<typeof createScene>): Promise<void> {
  await scene.take(A);
  await scene.take(A);
  await pass(START_MS);
  await scene.at(0).getReady();
  await scene.at(1).getReady();
  scene.at(1).finish();
  scene.at(0).finish();
}

it('prefers the environment that was used last, so that the others become idle', async () => {
  const scene = createScene();
  await idleTwo(scene);
  await scene.take(A);
  expect([scene.ids(0), scene.ids(1)]).toEqual([['3'], []]);
});

it('lets invocations wait at the maximum, until an environment is free or another one may end', async () => {
  const scene = createScene({ maxEnvironments: 2 });
  for (const _ of [1, 2, 3]) await scene.take(A);
  await pass(START_MS);
  await scene.at(0).getReady();
  await scene.at(1).getReady();
  await scene.take(B);
  expect(scene.made.map(({ plan }) => plan.path)).toEqual([A.path, A.path]);
  scene.at(1).finish();
  expect(scene.ids(1)).toEqual(['3']);
  scene.at(0).finish();
  await soon();
  expect(scene.made.map(({ plan }) => plan.path)).toEqual([A.path, A.path, B.path]);
  expect(scene.at(0).environment.accepts()).toBe(false);
  await scene.at(2).getReady();
  expect(scene.ids(2)).toEqual(['4']);
});

it('ends idle environments at the maximum, the one that has been idle for longest first', async () => {
  const scene = createScene({ maxEnvironments: 2 });
  await idleTwo(scene);
  await scene.take(B);
  expect(scene.at(2).plan).toBe(B);
  expect([0, 1].map((n) => scene.at(n).environment.accepts())).toEqual([true, false]);
  expect(scene.outcomes).toEqual([]);
});

it('fails the invocations of an environment that does not get ready, and starts no other for them', async () => {
  const scene = createScene();
  await scene.take(A);
  await scene.at(0).end('it cannot be loaded');
  expect(scene.outcomes).toEqual(['1 failure']);
  expect(scene.made).toHaveLength(1);
});

it('runs the invocations that an ended process had not received in other environments, before all others', async () => {
  const scene = createScene({ maxStarting: 1, maxEnvironments: 1 });
  await scene.take(A);
  await scene.at(0).getReady();
  await scene.at(0).end();
  await scene.at(1).getReady();
  expect(scene.ids(1)).toEqual(['1']);
});

it('throttles waiting, later and returned invocations after it is closed', async () => {
  const scene = createScene();
  await scene.take(B);
  await scene.at(0).getReady();
  await scene.take(A);
  scene.fleet.close();
  await scene.take(B);
  await scene.at(0).end();
  expect(scene.outcomes).toEqual(['2 throttled', '3 throttled', '1 throttled']);
  await scene.at(1).end('killed');
  expect(scene.made).toHaveLength(2);
});

it('counts the free slots of environments that serve several requests', async () => {
  const scene = createScene({ concurrency: 3 });
  for (const _ of [1, 2, 3]) await scene.take(A);
  expect(scene.made).toHaveLength(1);
  await pass(START_MS);
  expect(scene.made).toHaveLength(1);
  await scene.take(A);
  await pass(START_MS);
  expect(scene.made).toHaveLength(2);
  await scene.at(0).getReady();
  expect(scene.ids(0)).toEqual(['1', '2', '3']);
});
