/**
 * The response parameters of an HTTP API: changes of the headers of an answer, by its status.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
 * @module
 */

import { asList, requireObject, requireString } from '../template/json.ts';
import type { HttpAnswer } from './http-event.ts';

/** Returns the changed answer. */
export type ResponseParameters = (answer: HttpAnswer) => HttpAnswer;

interface Change {
  readonly action: 'append' | 'overwrite' | 'remove';
  readonly header: string;
  readonly value: string;
}

/**
 * Reads `{ "503": { "ResponseParameters": [{ "Source": …, "Destination": … }] } }`.
 * @param at name of the integration in errors
 * @throws Error for a change that is not understood
 */
export function readResponseParameters(property: unknown, at: string): ResponseParameters {
  if (property === undefined) return (answer) => answer;
  const byStatus = new Map<number, readonly Change[]>();
  for (const [status, entry] of Object.entries(requireObject(property, `ResponseParameters of ${at}`))) {
    const { ResponseParameters: parameters } = requireObject(entry, `the parameters for ${status} of ${at}`);
    byStatus.set(
      Number(status),
      asList(parameters).map((parameter) => readChange(parameter, at)),
    );
  }
  return (answer) => {
    const changes = byStatus.get(answer.status) ?? [];
    return changes.length === 0 ? answer : { ...answer, headers: apply(changes, answer.headers) };
  };
}

function readChange(parameter: unknown, at: string): Change {
  const { Destination, Source } = requireObject(parameter, `a response parameter of ${at}`);
  const destination = requireString(Destination, `a Destination of ${at}`);
  const [, action, header = ''] = /^(append|overwrite|remove):header\.([\w-]+)$/.exec(destination) ?? [];
  if (action !== 'append' && action !== 'overwrite' && action !== 'remove') {
    throw new Error(`${at} has the destination ${destination}; only headers can be changed here`);
  }
  const value = requireString(Source, `a Source of ${at}`);
  if (value.includes('$'))
    throw new Error(`${at} has the source ${value}; only static values are understood`);
  return { action, header: header.toLowerCase(), value };
}

function apply(changes: readonly Change[], headers: HttpAnswer['headers']): HttpAnswer['headers'] {
  const changed = { ...headers };
  for (const { action, header, value } of changes) {
    const before = changed[header];
    if (action === 'remove') delete changed[header];
    else changed[header] = action === 'append' && before !== undefined ? `${String(before)},${value}` : value;
  }
  return changed;
}
