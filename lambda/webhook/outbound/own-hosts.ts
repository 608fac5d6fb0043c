/**
 * Hosts that serve the function itself. A URL of one would have the hub call what trusts it, and show the answer in the log
 * of deliveries. On Lambda they are link-local; on one machine they are ports of the loopback, where receivers are too.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 * @module
 */

/** The Runtime API, and the endpoint of all AWS services where one is set: `host` or `host:port` of each. */
export function hostsOfRuntime(env: Readonly<Record<string, string | undefined>>): string[] {
  const { AWS_LAMBDA_RUNTIME_API: runtimeApi = '', AWS_ENDPOINT_URL: endpoint = '' } = env;
  const hosts = [`http://${runtimeApi}`, endpoint].map((url) => URL.parse(url)?.host ?? '');
  return hosts.filter((host) => host !== '');
}
