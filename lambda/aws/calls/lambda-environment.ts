/**
 * What a process must know to call AWS. Lambda sets these variables itself, so the handlers do not pass them on: the SDK reads
 * them in the same way. The template adds the domain of the services.
 * @module
 */
import { awsEnv } from '../../env.ts';
import type { Credentials } from '../sockets/sigv4.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The Region and the credentials of a function. */
export interface CallerOfAws {
  /** The Region of the function. */
  readonly region: string;
  /** The credentials of its role. They do not change while a process lives. */
  readonly credentials: Credentials;
}

/** Returns the Region and the credentials of a function. @throws Error if Lambda gave none */
export function credentialsOf(environment: Environment): CallerOfAws {
  const { AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = environment;
  if (!AWS_REGION || !AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY)
    throw new Error('Lambda gave no region or no credentials');
  return {
    region: AWS_REGION,
    credentials: {
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      sessionToken: AWS_SESSION_TOKEN,
    },
  };
}

/** How to call one service. */
export interface ServiceCaller extends CallerOfAws {
  /** Protocol, host and port of the service. */
  readonly origin: string;
}

/**
 * Returns how to call a service. Its host is that of the Region, in the domain of the partition. AWS_ENDPOINT_URL stands for all
 * services, as in the SDK.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 */
export function callerOf(service: string): ServiceCaller {
  const { env } = process;
  const caller = credentialsOf(env);
  const { AWS_ENDPOINT_URL } = env;
  if (AWS_ENDPOINT_URL) return { ...caller, origin: new URL(AWS_ENDPOINT_URL).origin };
  return { ...caller, origin: `https://${service}.${caller.region}.${awsEnv.read(env).URL_SUFFIX}` };
}

/**
 * Returns the trace of the current request, which Lambda sets for each; undefined outside of Lambda. Services pass it on, so that
 * X-Ray finds the functions that a call leads to.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
 */
export const traceHeader = (): string | undefined => process.env._X_AMZN_TRACE_ID;
