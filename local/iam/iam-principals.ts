/**
 * The senders of requests, and the principals of resource policies.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
 * @module
 */
import { ACCOUNT } from '../template/intrinsics.ts';
import { isObject, stringsOf } from '../template/json.ts';

/** The sender of a request. */
export type Requester =
  /** A function: the ARNs of its role, and of the session of its environments. */
  | { readonly kind: 'role'; readonly role: string; readonly session: string }
  /** A service such as `sns.amazonaws.com`. */
  | { readonly kind: 'service'; readonly name: string }
  /** A request without a signature. */
  | { readonly kind: 'anybody' };

/** The principals of a statement. */
export interface Principals {
  /** True for `*`. */
  readonly isEverybody: boolean;
  /** Ids of accounts, from an id or from the ARN of a root user. */
  readonly accounts: readonly string[];
  /** ARNs of roles and of sessions. */
  readonly arns: readonly string[];
  /** Names such as `sns.amazonaws.com`. */
  readonly services: readonly string[];
}

const ROOT = /^arn:aws:iam::(\d{12}):root$/;
const ID = /^\d{12}$/;
const ROLE_OR_SESSION = /^arn:aws:(iam::\d{12}:role|sts::\d{12}:assumed-role)\/[^*?]+$/;

/**
 * Parses a `Principal`.
 * @param name of the policy in the error
 * @throws Error for a principal that is not understood
 */
export function parsePrincipals(value: unknown, name: string): Principals {
  if (value === '*') return { isEverybody: true, accounts: [], arns: [], services: [] };
  const refuse = (what: unknown): never => {
    throw new Error(`policy ${name} has the principal ${JSON.stringify(what)}, which is not evaluated`);
  };
  if (!isObject(value)) return refuse(value);
  const { AWS, Service, ...others } = value;
  if (Object.keys(others).length > 0) return refuse(others);
  const accounts: string[] = [];
  const arns: string[] = [];
  const named = stringsOf(AWS, `a principal of policy ${name}`);
  for (const one of named.filter((each) => each !== '*')) {
    const account = ROOT.exec(one)?.[1] ?? (ID.test(one) ? one : undefined);
    if (account !== undefined) accounts.push(account);
    // AWS does not expand a wildcard in the ARN of a principal.
    else if (ROLE_OR_SESSION.test(one)) arns.push(one);
    else refuse(one);
  }
  const services = stringsOf(Service, `a service of policy ${name}`);
  return { isEverybody: named.includes('*'), accounts, arns, services };
}

/**
 * Returns how the principals include the requester: `itself` (by its ARN or name, or as everybody), or only by its `account`.
 * The ARN of a role includes its sessions.
 */
export function meant(principals: Principals, requester: Requester): 'itself' | 'account' | undefined {
  if (principals.isEverybody) return 'itself';
  if (requester.kind === 'anybody') return undefined;
  if (requester.kind === 'service')
    return principals.services.includes(requester.name) ? 'itself' : undefined;
  const { role, session } = requester;
  if (principals.arns.some((arn) => arn === role || arn === session)) return 'itself';
  return principals.accounts.includes(ACCOUNT) ? 'account' : undefined;
}
