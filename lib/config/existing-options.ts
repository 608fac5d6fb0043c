/**
 * The options that name what a team already has: its domain, web ACL, topic of alarms and permissions boundary. A construct is taken
 * for each of them, or an ARN, which is all that a context key can hold.
 * @module
 */
import { Token } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { z } from 'zod';
import { allowed, jsonBy, optional } from './context.ts';

/** The domain of a hub, with everything as text. */
export interface DomainOption {
  /** The name, such as `hub.example.com`. */
  readonly name: string;
  /** The ARN of its certificate. */
  readonly certificate: string;
  /** The zone that gets the records of the name; undefined if its owner makes them. */
  readonly hostedZone?: { readonly hostedZoneId: string };
}

/** CloudFront takes certificates and web ACLs of this Region only. https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html */
const EDGE_REGION = 'us-east-1';

const CERTIFICATE = /^arn:[\w-]+:acm:[\w-]+:\d{12}:certificate\/[\w-]+$/;
const WEB_ACL = /^arn:[\w-]+:wafv2:us-east-1:\d{12}:global\/webacl\/[\w-]+\/[\w-]+$/;
const TOPIC = /^arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]+$/;
const POLICY = /^arn:[\w-]+:iam::(\d{12}|aws):policy\/\S+$/;
/** Lower case, with at least two labels. */
const HOST_NAME = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$/;

const MEMBERS = ['name', 'certificate', 'hostedZone'];

/** The options. All are undefined if the team has no such thing, or the hub does not use it. */
export const EXISTING_OPTIONS = {
  /** The domain of the hub. Its API then answers only to requests that come by this domain. */
  domain: optional(jsonBy(parseDomain)),
  /** The ARN of a web ACL for CloudFront. The API of the hub then answers only to requests that the web ACL has seen. */
  webAcl: optional(
    z
      .string(allowed('an ARN'))
      .refine(isArn(WEB_ACL), allowed(`the ARN of a web ACL for CloudFront, in ${EDGE_REGION}`)),
  ),
  /** The topic that gets the alarms. */
  alarmTopic: optional(arnOf('topicArn', TOPIC, 'a topic of SNS, or its ARN')),
  /** The permissions boundary of all roles of the hub. */
  permissionsBoundary: optional(arnOf('managedPolicyArn', POLICY, 'a managed policy, or its ARN')),
};

/** True for an ARN of that form, and for one that is known at deployment only. */
function isArn(form: RegExp): (text: string) => boolean {
  return (text) => Token.isUnresolved(text) || form.test(text);
}

/** Returns the schema of an existing resource. @param member where a construct has its ARN */
function arnOf(member: string, form: RegExp, words: string) {
  return z
    .unknown()
    .transform((value) => (Construct.isConstruct(value) ? memberOf(value, member) : value))
    .pipe(z.string(allowed(words)).refine(isArn(form), allowed(words)));
}

const memberOf = (value: unknown, member: string): unknown => Reflect.get(Object(value), member);

function parseDomain(value: unknown): DomainOption {
  const foreign = Object.keys(Object(value)).find((member) => !MEMBERS.includes(member));
  const name = memberOf(value, 'name');
  if (typeof value !== 'object' || foreign !== undefined || typeof name !== 'string')
    throw new Error(`it must have the members name, certificate and, if Route 53 has the domain, hostedZone`);
  if (!Token.isUnresolved(name) && !HOST_NAME.test(name))
    throw new Error('its name must be a host name in lower case, such as hub.example.com');
  const zone = memberOf(value, 'hostedZone');
  return {
    name,
    certificate: certificateOf(memberOf(value, 'certificate')),
    ...(zone === undefined ? {} : { hostedZone: zoneOf(zone, name) }),
  };
}

function certificateOf(value: unknown): string {
  const arn = Construct.isConstruct(value) ? memberOf(value, 'certificateArn') : value;
  if (typeof arn !== 'string' || !isArn(CERTIFICATE)(arn))
    throw new Error(`its certificate must be one of ACM, or the ARN of one, in ${EDGE_REGION}`);
  // An ARN that is not known yet is that of a construct, which knows its Region if its stack does.
  const region = Token.isUnresolved(arn) ? memberOf(memberOf(value, 'env'), 'region') : arn.split(':')[3];
  if (typeof region === 'string' && !Token.isUnresolved(region) && region !== EDGE_REGION)
    throw new Error(
      `its certificate is in ${region}, and CloudFront takes only certificates in ${EDGE_REGION}: request one there`,
    );
  return arn;
}

function zoneOf(value: unknown, name: string): { readonly hostedZoneId: string } {
  const hostedZoneId = memberOf(value, 'hostedZoneId');
  if (typeof hostedZoneId !== 'string' || hostedZoneId === '')
    throw new Error('its hostedZone must be a zone of Route 53, or have the member hostedZoneId');
  const zone = zoneNameOf(value);
  if (zone !== undefined && name !== zone && !name.endsWith(`.${zone}`))
    throw new Error(`its name ${name} is not in its hostedZone ${zone}`);
  return { hostedZoneId };
}

/** Returns the name of a zone; undefined if it is not known: a zone that was imported by its id throws when it is asked for its name. */
function zoneNameOf(value: unknown): string | undefined {
  try {
    const name = memberOf(value, 'zoneName');
    return typeof name === 'string' && !Token.isUnresolved(name) ? name.replace(/\.$/, '') : undefined;
  } catch {
    return undefined;
  }
}
