/**
 * Why there was no answer.
 * @module
 */
import type { ErrorClass } from '../delivery/delivery.ts';

/** There is no connection. All that goes wrong before there is one is this; any other error is about the answer. */
export class OutboundFailure extends Error {
  readonly kind: ErrorClass;

  constructor(kind: ErrorClass, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'DialFailure';
    this.kind = kind;
  }
}

/** What an attempt to connect ended with. */
export function outboundFailure(error: Error, isTls: boolean): OutboundFailure {
  if (error instanceof OutboundFailure) return error;
  return new OutboundFailure(kindOfDial(error, isTls), error.message, error);
}

function kindOfDial(error: Error, isTls: boolean): ErrorClass {
  const codes = codesOf(error);
  // One of several addresses that refused says more than another that is of a family this machine does not speak.
  if (codes.includes('ECONNREFUSED')) return 'connection_refused';
  if (codes.includes('ETIMEDOUT') || codes.includes('UND_ERR_CONNECT_TIMEOUT')) return 'timeout';
  const isOfNetwork = codes.includes('ECONNRESET') || ('syscall' in error && !codes.includes('EPROTO'));
  // What is left are some thirty codes of OpenSSL's: https://nodejs.org/api/tls.html#x509-certificate-error-codes
  return isTls && !isOfNetwork && !(error instanceof AggregateError) ? 'tls_error' : 'connection_error';
}

/** Why a request came to nothing. */
export function kindOf(error: Error): ErrorClass {
  if (error instanceof OutboundFailure) return error.kind;
  const [code = ''] = codesOf(error);
  // TLS 1.3 refuses a client without a certificate only after the handshake.
  if (code.startsWith('ERR_SSL_')) return 'tls_error';
  // Errors of Node's parser: https://nodejs.org/api/errors.html#hpe_chunk_extensions_overflow
  return code.startsWith('HPE_') ? 'bad_response' : 'connection_error';
}

/** Of several addresses each has its own. */
function codesOf(error: unknown): readonly string[] {
  if (error instanceof AggregateError) return error.errors.flatMap(codesOf);
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? [error.code] : [];
}
