import { defineConfig } from 'vitest/config';

/** Not a project of the main run: some of its tests are expected to fail, by name. */
export default defineConfig({
  test: {
    include: ['test/conformance/suite.test.ts'],
    globalSetup: 'test/conformance/setup.ts',
    // A property of the suite makes hundreds of requests; its own limit is for machines with nothing else to do.
    testTimeout: 30_000,
    // The suite is one file that imports vitest itself; it must get this run's copy.
    server: { deps: { inline: ['@durable-streams/server-conformance-tests'] } },
  },
});
