/**
 * The delays of the last minute as a line.
 * @module
 */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { duration } from '../format.ts';
import { type DelayNumbers, WINDOW_MS } from './delays.ts';

/** Height in pixels. */
const HEIGHT = 72;
/** Room for the numbers at the left, in pixels. */
const AXIS = 52;
/** With fewer points each one has a dot. */
const FEW = 60;
/** The top of an empty chart, in milliseconds. */
const LEAST_TOP_MS = 10;

interface Props {
  readonly points: { readonly at: readonly number[]; readonly delay: readonly number[] };
  readonly numbers: DelayNumbers;
  readonly label: string;
}

/** The chart. Its colours are those of the track, from the style sheet. */
export function DelayChart({ points, numbers, label }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(null);

  useEffect(() => {
    const { current: parent } = box;
    if (parent === null) return;
    const colour = (name: string) => () => getComputedStyle(parent).getPropertyValue(name);
    const made = new uPlot(
      {
        width: Math.max(parent.clientWidth, 1),
        height: HEIGHT,
        padding: [6, 4, 6, 0],
        cursor: { show: false },
        legend: { show: false },
        scales: {
          x: { time: false, range: () => [performance.now() - WINDOW_MS, performance.now()] },
          y: { range: (_chart, _least, most) => [0, Math.max(most * 1.15 || 0, LEAST_TOP_MS)] },
        },
        axes: [
          { show: false },
          {
            size: AXIS,
            gap: 6,
            space: 28,
            font: '11px system-ui, sans-serif',
            stroke: colour('--muted'),
            grid: { stroke: colour('--line'), width: 1 },
            ticks: { show: false },
            values: (_chart, splits) => splits.map(duration),
          },
        ],
        series: [
          {},
          {
            stroke: colour('--accent'),
            width: 1.5,
            points: { show: (drawn) => drawn.data[0].length < FEW, size: 4, fill: colour('--accent') },
          },
        ],
      },
      [[], []],
      parent,
    );
    chart.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: Math.max(parent.clientWidth, 1), height: HEIGHT }),
    );
    observer.observe(parent);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, []);

  useEffect(() => chart.current?.setData([[...points.at], [...points.delay]]));

  const about = Number.isNaN(numbers.p50)
    ? 'no message in the last minute'
    : `median ${duration(numbers.p50)}, 95th percentile ${duration(numbers.p95)}`;
  return (
    <div ref={box} class="chart" role="img" aria-label={`Delays of ${label} in the last minute: ${about}`} />
  );
}
