/**
 * The Region and the credentials of the programs that call the gateway (fanout-gateway.ts).
 * @module
 */
export const REGION = 'eu-west-1';

/** As long as the credentials of a role. */
export const CREDENTIALS = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: 'IQoJb3JpZ2luX2VjE'.repeat(60),
};
