/**
 * The bootstrap stack of the CDK, which receives the code of the functions. An account needs one in each Region.
 * @module
 */
import { GetParameterCommand, ParameterNotFound, SSMClient } from '@aws-sdk/client-ssm';
import { BOUNDED, callAws } from '../call.ts';
import { type Check, failure, fine } from '../check.ts';

const SUBJECT = 'bootstrap';

/** Compares the version of the bootstrap stack with the one that the template needs. */
export const checkBootstrap: Check = async ({ identity, assembly }) => {
  const { version: needed, parameter } = assembly.bootstrap;
  const version = await versionIn(parameter);
  if (version === undefined) {
    const text = `account ${identity.account} is not bootstrapped in ${identity.region}: the functions cannot be uploaded`;
    return [failure(SUBJECT, text, 'npm run bootstrap')];
  }
  if (version < needed) {
    const text = `the bootstrap stack has version ${version} and the template needs ${needed}: CloudFormation refuses it`;
    return [failure(SUBJECT, text, 'npm run bootstrap')];
  }
  return [fine(SUBJECT, `version ${version}, and ${needed} is needed`)];
};

async function versionIn(parameter: string): Promise<number | undefined> {
  try {
    const { Parameter } = await callAws('ssm:GetParameter', () =>
      new SSMClient(BOUNDED).send(new GetParameterCommand({ Name: parameter })),
    );
    return Number(Parameter?.Value ?? 0);
  } catch (error) {
    if (error instanceof ParameterNotFound) return undefined;
    throw error;
  }
}
