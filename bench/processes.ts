/**
 * The processor time and the memory of processes, as Linux reports them.
 * @module
 */
import { readFileSync } from 'node:fs';
import { sum } from './numbers.ts';

/** The use of some processes. */
export interface Use {
  /** Processor time since their start, in milliseconds. */
  readonly cpuMs: number;
  /** Their memory; a page that several processes share counts once. */
  readonly memoryMb: number;
}

/** Linux counts processor time in hundredths of a second. */
const TICK_MS = 10;

/** Returns the use of processes together. A process that has ended counts as nothing. */
export function useOf(pids: readonly number[]): Use {
  const ticks = pids.map((pid) => {
    // The name of the program may contain spaces. After it, the 12th and 13th field are user and system time.
    const fields = read(pid, 'stat').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  });
  const kilobytes = pids.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(read(pid, 'smaps_rollup'))?.[1] ?? 0));
  return { cpuMs: sum(ticks) * TICK_MS, memoryMb: sum(kilobytes) / 1_024 };
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
