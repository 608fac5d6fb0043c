/**
 * Lines of metrics, by the specification of CloudWatch's embedded metric format.
 * @module
 */
import { expect, test } from 'vitest';
import { newMeter } from '../../../lambda/aws/telemetry/meter.ts';
import { METRICS, refusedAs } from '../../../protocol/metrics.ts';

const EMITTER = { Stage: 'dev', Function: 'Push' };

test('one line has all counts, each name under its own dimensions', () => {
  const meter = newMeter();
  for (const more of [1, 999, 0]) meter.count('Published', more);
  meter.count('Delivered', 7);
  meter.count('Defects', 1);
  for (const ms of [40, 60]) meter.note('PushLag', ms);
  const lines = meter.drain(EMITTER, 1_700_000_000_000).map((line) => JSON.parse(line));
  expect(lines).toEqual([
    {
      _aws: {
        Timestamp: 1_700_000_000_000,
        CloudWatchMetrics: [
          {
            Namespace: 'Tidings',
            Dimensions: [['Stage']],
            Metrics: [
              { Name: 'Published', Unit: 'Count' },
              { Name: 'PushLag', Unit: 'Milliseconds' },
            ],
          },
          {
            Namespace: 'Tidings',
            Dimensions: [['Stage', 'Function']],
            Metrics: [
              { Name: 'Delivered', Unit: 'Count' },
              { Name: 'Defects', Unit: 'Count' },
            ],
          },
        ],
      },
      ...EMITTER,
      Published: 1_000,
      PushLag: [40, 60],
      Delivered: 7,
      Defects: 1,
    },
  ]);
});

test('no metrics make no line, and a metric is written once', () => {
  const meter = newMeter();
  meter.count('Published', 0);
  expect(meter.drain(EMITTER, 0)).toEqual([]);
  meter.count('Published', 2);
  expect(meter.drain(EMITTER, 0)).toHaveLength(1);
  expect(meter.drain(EMITTER, 0)).toEqual([]);
});

test('a line has at most a hundred values, and counts are only in the first one', () => {
  const meter = newMeter();
  meter.count('Delivered', 5);
  for (let ms = 0; ms < 250; ms++) meter.note('PushLag', ms);
  const lines = meter.drain(EMITTER, 0).map((line) => JSON.parse(line));
  expect(lines.map(({ PushLag }) => PushLag.length)).toEqual([100, 100, 50]);
  expect(lines.flatMap(({ PushLag }) => PushLag)).toEqual(Array.from({ length: 250 }, (_, ms) => ms));
  expect(lines.map(({ Delivered }) => Delivered)).toEqual([5, undefined, undefined]);
});

test.each([
  [401, 'RefusedAccess'],
  [403, 'RefusedAccess'],
  [429, 'RefusedTooMany'],
  [400, 'RefusedRequests'],
  [410, 'RefusedRequests'],
  [501, 'RefusedRequests'],
  [503, 'Unavailable'],
] as const)('a refusal with %i is counted as %s', (status, name) => {
  expect(refusedAs(status)).toBe(name);
  expect(METRICS[name].unit).toBe('Count');
});
