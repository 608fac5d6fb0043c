/**
 * AWS Signature Version 4 for very many requests to one host. The parts that stay the same for a day or for a second are
 * computed once, so that a signature costs two digests of node:crypto.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 * @module
 */
import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';

/** The credentials of a function's role, from the environment of Lambda. They are valid while the process lives. */
export interface Credentials {
  /** Names the key. It is part of the signature. */
  readonly accessKeyId: string;
  /** The key that signs. */
  readonly secretAccessKey: string;
  /** Sent with each request. Lambda's credentials always have one. */
  readonly sessionToken?: string | undefined;
}

/** The values that a signature depends on, beside the request. */
export interface Signing {
  /** The credentials that sign. */
  readonly credentials: Credentials;
  /** The Region of the service, such as `eu-west-1`. */
  readonly region: string;
  /** The name of the service in signatures, such as `execute-api`. */
  readonly service: string;
  /** The Host header, with the port if it is not the default of the protocol. */
  readonly host: string;
  /** The content type of bodies. @default - that of the SDK for bytes */
  readonly contentType?: string;
  /** The `x-amz-target` header, by which services with JSON bodies name the operation. */
  readonly target?: string;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/**
 * Returns the headers of one request, alternating between name and value, without Host and Content-Length.
 * @param path as it is sent: URL-encoded once, without a query
 * @param bodyHash from `hashOf`
 */
export type Sign = (path: string, bodyHash: string, method?: Method) => string[];

/** The methods that are signed. */
export type Method = 'POST' | 'DELETE';

const ALGORITHM = 'AWS4-HMAC-SHA256';

/** The content type that the SDK sends for bytes. */
const BYTES = 'application/octet-stream';

/** Returns the hash of a body, for `Sign`. */
export const hashOf = (body: Uint8Array): string => hash('sha256', body);

/** URL-encodes all but the unreserved characters of RFC 3986. encodeURIComponent also leaves five others unencoded. */
export const encodeSegment = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

/** Returns a function that signs requests. Nothing is computed before the first request, because that would delay cold starts. */
export function signer(signing: Signing): Sign {
  const dayKey = keyOfDay(signing);
  let second = Number.NaN;
  let now: ReturnType<typeof dated> | undefined;
  return (path, bodyHash, method = 'POST') => {
    const current = Math.floor(signing.clock() / 1_000);
    if (!now || current !== second) {
      second = current;
      now = dated(signing, second * 1_000);
    }
    const request = `${method}\n${canonicalPath(path)}\n\n${now.signedHeaders}\n${bodyHash}`;
    const toSign = `${now.toSign}${hash('sha256', request)}`;
    const signature = createHmac('sha256', dayKey(now.day)).update(toSign).digest('hex');
    return [...now.headers, 'authorization', `${now.authorization}${signature}`];
  };
}

/** Every service but S3 signs the path encoded once more than it is sent. */
const canonicalPath = (path: string): string => encodeSegment(path).replaceAll('%2F', '/');

/** Returns the parts that depend only on the second. */
function dated(signing: Signing, at: number) {
  const { credentials, region, service, host, contentType = BYTES, target } = signing;
  const date = new Date(at).toISOString().replace(/[-:]|\.\d+/g, '');
  const day = date.slice(0, 8);
  const scope = `${day}/${region}/${service}/aws4_request`;
  const token = credentials.sessionToken;
  // All that is sent, in the order of the names. undici itself sends the host.
  const signed: readonly (readonly [string, string])[] = [
    ['content-type', contentType],
    ['host', host],
    ['x-amz-date', date],
    ...(token ? [['x-amz-security-token', token] as const] : []),
    ...(target ? [['x-amz-target', target] as const] : []),
  ];
  const names = signed.map(([name]) => name).join(';');
  return {
    day,
    headers: signed.filter(([name]) => name !== 'host').flat(),
    signedHeaders: `${signed.map(([name, value]) => `${name}:${value}\n`).join('')}\n${names}`,
    toSign: `${ALGORITHM}\n${date}\n${scope}\n`,
    authorization: `${ALGORITHM} Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=`,
  };
}

/** Returns a KeyObject: an HMAC with a raw key of 32 bytes takes five times as long, measured on Node 24. */
function keyOfDay({ credentials, region, service }: Signing): (day: string) => KeyObject {
  let known: { readonly day: string; readonly key: KeyObject } | undefined;
  return (day) => {
    if (known?.day !== day) {
      const parts = [day, region, service, 'aws4_request'];
      const first = Buffer.from(`AWS4${credentials.secretAccessKey}`);
      const key = parts.reduce((from, part) => createHmac('sha256', from).update(part).digest(), first);
      known = { day, key: createSecretKey(key) };
    }
    return known.key;
  };
}
