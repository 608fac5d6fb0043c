/**
 * Numbers as people read them.
 * @module
 */

/** Stands for a number that is not known yet. */
export const NONE = '–';

const digits = (value: number, most: number): string =>
  value.toLocaleString('en', { maximumFractionDigits: most });

/** Milliseconds, or seconds from one second on. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return NONE;
  return ms < 1_000 ? `${digits(ms, ms < 10 ? 1 : 0)} ms` : `${digits(ms / 1_000, ms < 10_000 ? 2 : 1)} s`;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** A long time, in seconds, minutes or hours. */
export function age(ms: number): string {
  if (ms < MINUTE_MS) return `${digits(ms / 1_000, 0)} s`;
  return ms < HOUR_MS ? `${digits(ms / MINUTE_MS, 0)} min` : `${digits(ms / HOUR_MS, 1)} h`;
}

const KILO = 1_024;

/** Bytes, as KB or MB where that is shorter. */
export function size(bytes: number): string {
  if (bytes < KILO) return `${digits(bytes, 0)} B`;
  const isKilo = bytes < KILO * KILO;
  return isKilo ? `${digits(bytes / KILO, 1)} KB` : `${digits(bytes / KILO / KILO, 1)} MB`;
}

/** A count. */
export const count = (value: number): string => digits(value, 0);

/** US dollars with about three digits. */
export function dollars(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  if (value === 0) return '$0';
  if (value < 0.000_1) return 'under $0.0001';
  if (value < 0.1) return `$${value.toPrecision(2)}`;
  return value < 100 ? `$${value.toFixed(2)}` : `$${digits(value, 0)}`;
}

/**
 * Characters that a reader cannot see: controls, and those that change the direction of the text around them. Without a mark a message
 * could show other text than it has. https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
 */
const UNSEEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Returns a text in which every character can be seen: those that cannot are escapes. */
export const visible = (text: string): string =>
  text.replace(UNSEEN, (unseen) => `\\u{${unseen.codePointAt(0)?.toString(16)}}`);
