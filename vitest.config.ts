import { defineConfig } from 'vitest/config';

/** Every project is one kind of evidence; docs/architecture.md says which. */
const project = (name: string, more: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...more },
});

/**
 * The default timeout of `expect.poll`, one second, is too short on a busy machine. Over the wire a condition may also need new
 * processes first. A test that waits longer names its reason.
 */
const patient = { expect: { poll: { timeout: 30_000 } } };
const quick = { expect: { poll: { timeout: 20_000 } } };

export default defineConfig({
  test: {
    // Most files wait for leases, timeouts and processes of their own. One worker on two cores, which is vitest's default, is idle.
    maxWorkers: 4,
    projects: [
      // Without isolation, because every file would load the same modules in a process of its own: a quarter of the processor time
      // of the unit tests, and more of the others. Most tests take milliseconds: the limits are for machines with other work.
      project('unit', { testTimeout: 120_000, hookTimeout: 60_000, isolate: false, ...quick }),
      project('contract', { testTimeout: 90_000, hookTimeout: 60_000, isolate: false, ...quick }),
      project('infra', { testTimeout: 120_000, hookTimeout: 120_000, isolate: false }),
      project('local', { testTimeout: 180_000, hookTimeout: 60_000, isolate: false, ...quick }),
      project('faults', { testTimeout: 180_000, hookTimeout: 120_000, isolate: false, ...patient }),
      // Each test may start a hub, or three, which takes ten times as long where the machine is busy. They want the same port.
      project('commands', { testTimeout: 300_000, hookTimeout: 300_000, fileParallelism: false, ...patient }),
      project('flow', {
        testTimeout: 180_000,
        hookTimeout: 60_000,
        isolate: false,
        globalSetup: 'test/flow/setup.ts',
        ...patient,
      }),
    ],
  },
});
