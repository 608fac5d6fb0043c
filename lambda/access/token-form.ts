/**
 * The form of a token, before anybody has verified it.
 * @module
 */
import { base64url } from 'jose';
import { type Fields, fieldsOf } from '../../protocol/fields.ts';

/** Three parts in base64url, each with something in it: a JWS in its compact form, signed (RFC 7515 §7.1). */
const FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** A text in JSON, and the colon that makes a name of it. */
const TEXT_OR_NAME = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/**
 * What a token claims: good for choosing who is to verify it, and for nothing else. Undefined for what no verifier needs
 * to see: `crit`, since the hub understands no extension, and a name that is there twice, of which two parsers may believe
 * one each (RFC 7519 §4).
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

/** Members of the value and of all that is in it. */
function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inside: unknown[] = Object.values(value);
  return inside.reduce<number>(
    (count, member) => count + membersOf(member),
    Array.isArray(value) ? 0 : inside.length,
  );
}
