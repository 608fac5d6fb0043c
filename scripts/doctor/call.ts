/**
 * Calls of AWS, with few attempts, a timeout, and an error that names the missing permission.
 * @module
 */

/**
 * Settings of every client, in milliseconds. AWS answers in less than a second, and a network that drops packets must
 * not block a command.
 */
export const BOUNDED = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
};

/** The identity does not have the permission for a call. */
export class AccessDenied extends Error {
  /** The permission, as in a policy: `lambda:GetAccountSettings`. */
  readonly action: string;

  constructor(action: string) {
    super(`this identity has no permission for ${action}`);
    this.action = action;
  }
}

/** The services use different names for the same error. */
const ACCESS_DENIED = ['AccessDenied', 'AccessDeniedException', 'UnauthorizedException', 'NotAuthorized'];

/**
 * Makes one call.
 * @param action the permission that the call needs
 * @throws AccessDenied if the identity does not have it
 */
export async function callAws<T>(action: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof Error && ACCESS_DENIED.includes(error.name)) throw new AccessDenied(action);
    throw error;
  }
}
