/**
 * How AWS is asked: few attempts, a bound on each, and a refusal that names the permission that is missing.
 * @module
 */

/** For every client: an answer comes in well under a second, and a network that swallows packets must not hang a command. */
export const BOUNDED = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
};

/** AWS does not let this identity ask. */
export class AccessDenied extends Error {
  /** As in a policy: `lambda:GetAccountSettings`. */
  readonly action: string;

  constructor(action: string) {
    super(`this identity has no permission for ${action}`);
    this.action = action;
  }
}

/** Each service has a name of its own for it. */
const ACCESS_DENIED = ['AccessDenied', 'AccessDeniedException', 'UnauthorizedException', 'NotAuthorized'];

/**
 * Asks one thing.
 * @param action the permission that it needs
 * @throws Denied if the identity does not have it
 */
export async function callAws<T>(action: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof Error && ACCESS_DENIED.includes(error.name)) throw new AccessDenied(action);
    throw error;
  }
}
