/**
 * How IAM compares names and ARNs with the patterns of policies.
 * @module
 */

const ARN_PARTS = 6;

/**
 * ShutdownStep by part: `*` does not reach over a colon in the first five. IAM completes a shorter pattern with `*`.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
 */
export function matchesArn(pattern: string, arn: string): boolean {
  if (pattern === '*') return true;
  const wanted = splitArn(pattern);
  const given = splitArn(arn);
  return given.every((part, index) => matchesWildcard(wanted[index] ?? '*', part));
}

/** At most six parts: the last may hold colons of its own. */
function splitArn(arn: string): string[] {
  const parts = arn.split(':');
  const last = parts.slice(ARN_PARTS - 1).join(':');
  return parts.length < ARN_PARTS ? parts : [...parts.slice(0, ARN_PARTS - 1), last];
}

const compiled = new Map<string, RegExp>();

/** `*` is any run of characters, `?` is one. Compiled once: each SDK call of each function comes through here. */
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
