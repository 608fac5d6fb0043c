/**
 * Errors of outbound requests, and the class of each.
 * @module
 */
import type { ErrorClass } from '../delivery/delivery.ts';

/** The error of a connection that could not be made. Any other error of a request concerns its answer. */
export class OutboundFailure extends Error {
  /** The error class, as the log of deliveries shows it. */
  readonly kind: ErrorClass;

  constructor(kind: ErrorClass, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'OutboundFailure';
    this.kind = kind;
  }
}

/** Returns the error of an attempt to connect, with its class. */
export function outboundFailure(error: Error, isTls: boolean): OutboundFailure {
  if (error instanceof OutboundFailure) return error;
  return new OutboundFailure(connectErrorClassOf(error, isTls), error.message, error);
}

function connectErrorClassOf(error: Error, isTls: boolean): ErrorClass {
  const codes = codesOf(error);
  // A host may have several addresses. One may refuse the connection, and this machine may not support the family of another
  // (IPv6 without a route). The refusal tells the caller more.
  if (codes.includes('ECONNREFUSED')) return 'connection_refused';
  if (codes.includes('ETIMEDOUT') || codes.includes('UND_ERR_CONNECT_TIMEOUT')) return 'timeout';
  const isOfNetwork = codes.includes('ECONNRESET') || ('syscall' in error && !codes.includes('EPROTO'));
  // The rest are about thirty codes of OpenSSL: https://nodejs.org/api/tls.html#x509-certificate-error-codes
  return isTls && !isOfNetwork && !(error instanceof AggregateError) ? 'tls_error' : 'connection_error';
}

/** Returns the class of a failed request. */
export function errorClassOf(error: Error): ErrorClass {
  if (error instanceof OutboundFailure) return error.kind;
  const [code = ''] = codesOf(error);
  // In TLS 1.3 a server refuses a client without a certificate only after the handshake.
  if (code.startsWith('ERR_SSL_')) return 'tls_error';
  // Errors of Node's parser: https://nodejs.org/api/errors.html#hpe_chunk_extensions_overflow
  return code.startsWith('HPE_') ? 'bad_response' : 'connection_error';
}

/** Returns the error codes. An attempt with several addresses has one error for each address. */
function codesOf(error: unknown): readonly string[] {
  if (error instanceof AggregateError) return error.errors.flatMap(codesOf);
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? [error.code] : [];
}
