/**
 * The foreign suite, unmodified, against the hub in explicit mode where anyone may do anything. scripts/test/conformance.ts
 * compares what fails with what is expected to.
 * @module
 */
import { runConformanceTests } from '@durable-streams/server-conformance-tests';
import { inject } from 'vitest';

runConformanceTests({ baseUrl: inject('conformanceUrl'), longPollTimeoutMs: 3_000 });
