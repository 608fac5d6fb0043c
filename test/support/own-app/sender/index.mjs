/**
 * A function of a team that publishes by the intake queue.
 * @module
 */
import { SQS } from '@aws-sdk/client-sqs';
import { publisher } from 'tidings/publisher';

const publish = publisher(new SQS(), process.env.TIDINGS_INTAKE_URL);

/** Publishes two messages, and answers with the error if that is refused. */
export const handler = async ({ rawQueryString: channel }) => {
  try {
    await publish(channel, [{ n: 1 }]);
    await publish(channel, [{ n: 2 }]);
    return { statusCode: 204 };
  } catch (error) {
    return { statusCode: 500, body: error.name };
  }
};
