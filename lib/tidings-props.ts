/**
 * The props of a hub: the options that a context key can hold, and the constructs that an app has.
 * @module
 */
import type { ICertificate } from 'aws-cdk-lib/aws-certificatemanager';
import type { IManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { IHostedZone } from 'aws-cdk-lib/aws-route53';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { z } from 'zod';
import { type Config, configOf, type OptionValues } from './config/config.ts';
import { allowed, jsonBy, PROPS, readOptions } from './config/context.ts';
import { parseHooks, type TidingsHook } from './config/hook-option.ts';
import { OPTIONS } from './config/options.ts';
import { TidingsLog, type TidingsLogProps } from './tidings-log.ts';

/** A domain that a team has. */
export interface TidingsDomain {
  /** The name of the hub, such as `hub.example.com`. */
  readonly name: string;
  /** The certificate of the name, or its ARN. It must be in us-east-1, because CloudFront takes no other. */
  readonly certificate: ICertificate | string;
  /** The zone of Route 53 that gets the records of the name. Without it an output says which record to make. */
  readonly hostedZone?: Pick<IHostedZone, 'hostedZoneId'> | undefined;
}

/** The options that are constructs, and those that are others in the template. */
type Other = 'domain' | 'alarmTopic' | 'permissionsBoundary' | 'stage' | 'throwAway';

/** The options of a hub. All may be left out. docs/configuration.md lists them with their defaults. */
export interface TidingsProps extends Partial<Omit<OptionValues, Other>>, TidingsLogProps {
  /**
   * The data of the hub, which may be in another stack. It has `stage` and `removalPolicy` then.
   * @default - the hub makes its own
   */
  readonly log?: TidingsLog;
  /** The domain of the hub. Its API then answers only to requests that come by this domain. */
  readonly domain?: TidingsDomain | undefined;
  /**
   * Functions that are asked about each publish before its messages are stored or sent, at most five.
   * @default - nobody is asked, and a publish makes no call for it
   */
  readonly onPublish?: readonly TidingsHook[] | undefined;
  /** The topic that gets the alarms, or its ARN. */
  readonly alarmTopic?: ITopic | string | undefined;
  /** The permissions boundary of all roles of the hub, or its ARN. */
  readonly permissionsBoundary?: IManagedPolicy | string | undefined;
}

const HUB_OPTIONS = OPTIONS.omit({ throwAway: true }).extend({
  removalPolicy: z.unknown().optional(),
  onPublish: jsonBy(parseHooks).default([]),
  log: z.instanceof(TidingsLog, allowed('a TidingsLog')).optional(),
});

/** The members that say how the data is made. */
const OF_THE_LOG = ['stage', 'removalPolicy'] as const;

/**
 * Reads the props of a hub.
 * @param makeLog makes the data of a hub that is given none
 * @throws Error with a sentence for each prop that is wrong
 */
export function readProps(
  props: TidingsProps,
  makeLog: (props: TidingsLogProps) => TidingsLog,
): { readonly config: Config; readonly log: TidingsLog } {
  const given = Object.fromEntries(Object.entries({ ...props }).filter(([, value]) => value !== undefined));
  const { removalPolicy: _, log, onPublish, ...values } = readOptions(HUB_OPTIONS, given, PROPS);
  const ofLog = OF_THE_LOG.find((name) => name in given);
  if (log !== undefined && ofLog !== undefined)
    throw new Error(`prop "${ofLog}" is one of TidingsLog: the prop "log" already has it`);
  const config = configOf(values, PROPS, onPublish);
  const stores =
    log ??
    makeLog(Object.fromEntries(OF_THE_LOG.flatMap((name) => (name in given ? [[name, given[name]]] : []))));
  return { config: { ...config, stage: stores.stage }, log: stores };
}
