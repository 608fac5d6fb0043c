/**
 * The form of a token, before it is verified.
 * @module
 */
import { base64url } from 'jose';
import { type Fields, fieldsOf } from '../../protocol/fields.ts';

/** Three parts in base64url, none of them empty: a signed JWS in compact form (RFC 7515 §7.1). */
const FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** A string in JSON, and the colon after it if it is a name. */
const TEXT_OR_NAME = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/**
 * Returns the claims of a token. They are not verified: use them only to choose the verifier. Returns undefined for a token
 * that is refused in any case: malformed; with `crit`, since the hub knows no extension; or with a name that occurs twice,
 * because two parsers may each use another one of the values (RFC 7519 §4).
 */
export function unverifiedClaims(token: string): Fields | undefined {
  if (!FORM.test(token)) return undefined;
  const [header, claims] = token.split('.').map(objectIn);
  return header && claims && !('crit' in header) ? claims : undefined;
}

function objectIn(part: string): Fields | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(base64url.decode(part));
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject && namesIn(text) === membersOf(value) ? fieldsOf(value) : undefined;
  } catch {
    return undefined;
  }
}

const namesIn = (json: string): number =>
  [...json.matchAll(TEXT_OR_NAME)].filter(([, colon]) => colon !== undefined).length;

/** Returns the number of members of a value, at all depths. */
function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inside: unknown[] = Object.values(value);
  return inside.reduce<number>(
    (count, member) => count + membersOf(member),
    Array.isArray(value) ? 0 : inside.length,
  );
}
