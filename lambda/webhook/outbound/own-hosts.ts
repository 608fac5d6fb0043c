/**
 * Hosts that serve the function itself. With a URL of such a host, the hub would call a service that trusts it, and the log
 * of deliveries would show the answer. On Lambda they are link-local. On one machine they are ports of the loopback, as
 * receivers are too.
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 * @module
 */

/**
 * Returns the host of the Runtime API, and that of all AWS services if AWS_ENDPOINT_URL is set, each as `host` or
 * `host:port`.
 */
export function hostsOfRuntime(env: Readonly<Record<string, string | undefined>>): string[] {
  const { AWS_LAMBDA_RUNTIME_API: runtimeApi = '', AWS_ENDPOINT_URL: endpoint = '' } = env;
  const hosts = [`http://${runtimeApi}`, endpoint].map((url) => URL.parse(url)?.host ?? '');
  return hosts.filter((host) => host !== '');
}
