/**
 * The CDK's own stack, through which functions are uploaded: once for an account and a Region.
 * @module
 */
import { GetParameterCommand, ParameterNotFound, SSMClient } from '@aws-sdk/client-ssm';
import { ask, BOUNDED } from '../ask.ts';
import { failure, fine } from '../finding.ts';
import type { Check } from '../situation.ts';

const ABOUT = 'bootstrap';

export const checkBootstrap: Check = async ({ who, assembly }) => {
  const { version: needed, parameter } = assembly.bootstrap;
  const version = await versionIn(parameter);
  if (version === undefined) {
    const says = `account ${who.account} is not bootstrapped in ${who.region}: the functions cannot be uploaded`;
    return [failure(ABOUT, says, 'npm run bootstrap')];
  }
  if (version < needed) {
    const says = `the bootstrap stack has version ${version} and the template needs ${needed}: CloudFormation refuses it`;
    return [failure(ABOUT, says, 'npm run bootstrap')];
  }
  return [fine(ABOUT, `version ${version}, and ${needed} is needed`)];
};

async function versionIn(parameter: string): Promise<number | undefined> {
  try {
    const { Parameter } = await ask('ssm:GetParameter', () =>
      new SSMClient(BOUNDED).send(new GetParameterCommand({ Name: parameter })),
    );
    return Number(Parameter?.Value ?? 0);
  } catch (error) {
    if (error instanceof ParameterNotFound) return undefined;
    throw error;
  }
}
