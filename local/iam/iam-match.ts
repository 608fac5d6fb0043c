/**
 * Compares names and ARNs with the patterns of policies, as IAM does.
 * @module
 */

const ARN_PARTS = 6;

/**
 * Returns true if the ARN matches the pattern, part by part: in the first five parts `*` does not match a colon. IAM completes
 * a shorter pattern with `*`.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
 */
export function matchesArn(pattern: string, arn: string): boolean {
  if (pattern === '*') return true;
  const wanted = splitArn(pattern);
  const given = splitArn(arn);
  return given.every((part, index) => matchesWildcard(wanted[index] ?? '*', part));
}

/** Returns at most six parts. The last one may have colons. */
function splitArn(arn: string): string[] {
  const parts = arn.split(':');
  const last = parts.slice(ARN_PARTS - 1).join(':');
  return parts.length < ARN_PARTS ? parts : [...parts.slice(0, ARN_PARTS - 1), last];
}

const compiled = new Map<string, RegExp>();

/**
 * Returns true if the value matches the pattern: `*` stands for any characters, `?` for one. Patterns are compiled once,
 * because every SDK call of a function is compared with many.
 */
export function matchesWildcard(pattern: string, value: string): boolean {
  if (pattern === value) return true;
  if (!/[*?]/.test(pattern)) return false;
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    const escaped = pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    expression = new RegExp(`^${escaped}$`, 's');
    compiled.set(pattern, expression);
  }
  return expression.test(value);
}
