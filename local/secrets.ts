/**
 * Secrets Manager: the secrets of the template, generated as the service does.
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html
 * @module
 */
import { randomInt, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer } from './dynamodb.ts';
import { type JsonObject, numberOr, objectOr, parseJson, stringOr } from './json.ts';
import { arnOf } from './names.ts';
import type { Resolved } from './plan.ts';
import { place } from './resources.ts';

export interface Secrets {
  run(operation: string, input: JsonObject): Answer;
  /** The ARN that a request means: `SecretId` may be a name or an ARN. */
  arn(secretId: unknown): string | undefined;
}

interface Secret {
  readonly arn: string;
  readonly name: string;
  readonly value: string;
  readonly version: string;
  readonly created: number;
}

/** Only the owner may read the kept values. */
const OWNER_ONLY = 0o600;
const DEFAULT_PASSWORD_LENGTH = 32;

/** Makes the secrets, or finds those that were kept in `data`. */
export function startSecrets(resources: readonly Resolved[], data: string | undefined): Secrets {
  const file = data === undefined ? undefined : join(data, 'secrets.json');
  const kept = file === undefined ? {} : readKept(file);
  const secrets = resources.map((resource) => makeSecret(resource, objectOr(kept[resource.name])));
  if (file !== undefined && data !== undefined && secrets.length > 0) {
    mkdirSync(data, { recursive: true });
    const text = JSON.stringify(Object.fromEntries(secrets.map((secret) => [secret.name, secret])), null, 2);
    // Written beside and renamed, so that a crash leaves the old values or the new, never half of them.
    writeFileSync(`${file}.new`, text, { mode: OWNER_ONLY });
    renameSync(`${file}.new`, file);
  }
  const find = (id: unknown) => secrets.find(({ arn, name }) => id === arn || id === name);
  return {
    arn: (id) => find(id)?.arn,
    run: (operation, input) => run(operation, input, find(input.SecretId)),
  };
}

function readKept(file: string): JsonObject {
  try {
    return objectOr(parseJson(readFileSync(file, 'utf8')));
  } catch {
    return {};
  }
}

function makeSecret(resource: Resolved, kept: JsonObject): Secret {
  const { value, version, created } = kept;
  return {
    arn: arnOf(resource),
    name: resource.name,
    value: stringOr(value, undefined) ?? initialValue(resource),
    version: stringOr(version, undefined) ?? randomUUID(),
    created: typeof created === 'number' ? created : Date.now() / 1_000,
  };
}

function initialValue(resource: Resolved): string {
  const { SecretString, GenerateSecretString } = resource.properties;
  if (typeof SecretString === 'string') return SecretString;
  const rules = objectOr(GenerateSecretString);
  const password = randomPassword(rules);
  const { SecretStringTemplate: template, GenerateStringKey: key } = rules;
  if (typeof template !== 'string' || typeof key !== 'string') return password;
  const base = parseJson(template);
  if (base === undefined)
    throw new Error(`${place(resource)} has a SecretStringTemplate that is not JSON: ${template}`);
  return JSON.stringify({ ...objectOr(base), [key]: password });
}

const LOWERCASE = 'abcdefghijklmnopqrstuvwxyz';
const NUMBERS = '0123456789';
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';

/** A password by the rules of `GetRandomPassword`; each kind that is not excluded occurs, unless told otherwise. */
export function randomPassword(rules: JsonObject): string {
  const excluded = stringOr(rules.ExcludeCharacters, '');
  const kinds = [
    rules.ExcludeLowercase === true ? '' : LOWERCASE,
    rules.ExcludeUppercase === true ? '' : LOWERCASE.toUpperCase(),
    rules.ExcludeNumbers === true ? '' : NUMBERS,
    rules.ExcludePunctuation === true ? '' : PUNCTUATION,
    rules.IncludeSpace === true ? ' ' : '',
  ]
    .map((kind) => [...kind].filter((character) => !excluded.includes(character)))
    .filter((kind) => kind.length > 0);
  const all = kinds.flat();
  if (all.length === 0) throw new Error('a generated secret excludes every character');
  const length = numberOr(rules.PasswordLength, DEFAULT_PASSWORD_LENGTH, 'PasswordLength');
  const required = rules.RequireEachIncludedType === false ? [] : kinds.slice(0, length);
  const password = required.map(pick);
  while (password.length < length) password.splice(randomInt(password.length + 1), 0, pick(all));
  return password.join('');
}

const pick = (characters: readonly string[]) => characters[randomInt(characters.length)] ?? '';

function run(operation: string, input: JsonObject, secret: Secret | undefined): Answer {
  if (operation !== 'GetSecretValue' && operation !== 'DescribeSecret') {
    return { status: 400, body: { __type: 'UnknownOperationException' } };
  }
  if (secret === undefined) return notFound("Secrets Manager can't find the specified secret.");
  const common = { ARN: secret.arn, Name: secret.name, CreatedDate: secret.created };
  if (operation === 'DescribeSecret') {
    return { status: 200, body: { ...common, VersionIdsToStages: { [secret.version]: ['AWSCURRENT'] } } };
  }
  const stage = stringOr(input.VersionStage, 'AWSCURRENT');
  const version = stringOr(input.VersionId, secret.version);
  if (stage !== 'AWSCURRENT' || version !== secret.version) {
    return notFound(`Secrets Manager can't find the specified secret value for staging label: ${stage}`);
  }
  const value = { SecretString: secret.value, VersionId: secret.version, VersionStages: ['AWSCURRENT'] };
  return { status: 200, body: { ...common, ...value } };
}

const notFound = (Message: string) => ({
  status: 400,
  body: { __type: 'ResourceNotFoundException', Message },
});
