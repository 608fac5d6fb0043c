/**
 * What whoever posts to the gateway (fanout-gateway.ts) calls himself.
 * @module
 */
export const REGION = 'eu-west-1';

/** As long as those of a role are. */
export const CREDENTIALS = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: 'IQoJb3JpZ2luX2VjE'.repeat(60),
};
