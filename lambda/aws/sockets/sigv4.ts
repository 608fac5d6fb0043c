/**
 * AWS Signature Version 4 for very many requests to one host: what is the same for a day or for a second is worked out once,
 * so that one signature costs two digests of node:crypto and nothing else.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 * @module
 */
import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';

/** Of the role of a function, as the environment of Lambda has them: they last as long as that environment. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface Signing {
  readonly credentials: Credentials;
  readonly region: string;
  /** The name that the service signs by, such as `execute-api`. */
  readonly service: string;
  /** What is sent as Host, with the port if it is not that of the protocol. */
  readonly host: string;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/**
 * The headers of one request, in turn name and value, without Host and Content-Length.
 * @param path as it is sent, that is URL-encoded once, without a query
 * @param bodyHash from `hashOf`
 */
export type Sign = (path: string, bodyHash: string, method?: Method) => string[];

export type Method = 'POST' | 'DELETE';

const ALGORITHM = 'AWS4-HMAC-SHA256';

/** What the SDK sends for a body of bytes. A content type that is sent must be signed. */
const CONTENT_TYPE = 'application/octet-stream';

export const hashOf = (body: Uint8Array): string => hash('sha256', body);

/** URL-encodes what RFC 3986 does not call unreserved; encodeURIComponent leaves five more characters alone. */
export const encodeSegment = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

export function signer(signing: Signing): Sign {
  const dayKey = keyOfDay(signing);
  let second = Number.NaN;
  let now = dated(signing, 0);
  let key = dayKey(now.day);
  return (path, bodyHash, method = 'POST') => {
    const current = Math.floor(signing.clock() / 1_000);
    if (current !== second) {
      second = current;
      now = dated(signing, second * 1_000);
      key = dayKey(now.day);
    }
    const request = `${method}\n${canonicalPath(path)}\n\n${now.signedHeaders}\n${bodyHash}`;
    const toSign = `${now.toSign}${hash('sha256', request)}`;
    const signature = createHmac('sha256', key).update(toSign).digest('hex');
    return [...now.headers, 'authorization', `${now.authorization}${signature}`];
  };
}

/** Every service but S3 has the path encoded once more than it is sent. */
const canonicalPath = (path: string): string => encodeSegment(path).replaceAll('%2F', '/');

/** All that changes with the second, and with nothing else. */
function dated({ credentials, region, service, host }: Signing, at: number) {
  const date = new Date(at).toISOString().replace(/[-:]|\.\d+/g, '');
  const day = date.slice(0, 8);
  const scope = `${day}/${region}/${service}/aws4_request`;
  const token = credentials.sessionToken;
  const headers = ['content-type', CONTENT_TYPE, 'x-amz-date', date];
  if (token) headers.push('x-amz-security-token', token);
  const names = `content-type;host;x-amz-date${token ? ';x-amz-security-token' : ''}`;
  const canonical = `content-type:${CONTENT_TYPE}\nhost:${host}\nx-amz-date:${date}\n`;
  return {
    day,
    headers,
    signedHeaders: `${canonical}${token ? `x-amz-security-token:${token}\n` : ''}\n${names}`,
    toSign: `${ALGORITHM}\n${date}\n${scope}\n`,
    authorization: `${ALGORITHM} Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=`,
  };
}

/** As a KeyObject: an HMAC over a raw key of 32 bytes takes five times as long, measured on Node 24. */
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
