/**
 * Who a request comes from, and whom a resource policy means.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
 * @module
 */
import { ACCOUNT } from '../template/intrinsics.ts';
import { isObject, stringsOf } from '../template/json.ts';

export type Requester =
  /** A function: `role` is the ARN of its role, `session` that of the session which its process has. */
  | { readonly kind: 'role'; readonly role: string; readonly session: string }
  | { readonly kind: 'service'; readonly name: string }
  /** Nobody in particular: a request without a signature. */
  | { readonly kind: 'anybody' };

export interface Principals {
  readonly isEverybody: boolean;
  /** Ids of accounts, named by themselves or by their root. */
  readonly accounts: readonly string[];
  /** ARNs of roles and of sessions. */
  readonly arns: readonly string[];
  readonly services: readonly string[];
}

const ROOT = /^arn:aws:iam::(\d{12}):root$/;
const ID = /^\d{12}$/;
const ROLE_OR_SESSION = /^arn:aws:(iam::\d{12}:role|sts::\d{12}:assumed-role)\/[^*?]+$/;

/** Parses a `Principal`; throws on one that is not understood. */
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
    // A wildcard in an ARN is refused by AWS, which would take it for a name.
    else if (ROLE_OR_SESSION.test(one)) arns.push(one);
    else refuse(one);
  }
  const services = stringsOf(Service, `a service of policy ${name}`);
  return { isEverybody: named.includes('*'), accounts, arns, services };
}

/**
 * How the principals mean the requester: `itself` (or everybody), or only `account`: the account it is of.
 * A session is meant by the ARN of its role, too.
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
