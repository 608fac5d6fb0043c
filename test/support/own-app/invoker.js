// A function of a team that invokes the one in HOOK, and answers with the error.
const { LambdaClient, InvokeCommand } = require('@aws-sdk/client-lambda');
exports.handler = async () => {
  const invoke = new InvokeCommand({ FunctionName: process.env.HOOK, Payload: '{}' });
  const answer = await new LambdaClient().send(invoke).catch((error) => error);
  return { statusCode: 200, body: answer.name ?? answer.FunctionError };
};
