/**
 * Secrets Manager: the secrets of the template, generated like those of the service.
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetRandomPassword.html
 * @module
 */
import { randomInt, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Resolved } from '../template/assembly.ts';
import { isObject, type JsonObject, numberOr, objectOr, parseJson, stringOr } from '../template/json.ts';
import { arnOf } from '../template/names.ts';
import { describeResource } from '../template/resources.ts';
import type { ServiceAnswer } from './dynamodb-service.ts';

/** The Secrets Manager service. */
export interface SecretsManager {
  /** Runs one operation. Errors of the service are answers. */
  run(operation: string, input: JsonObject): ServiceAnswer;
  /** Returns the ARN for a `SecretId`, which is a name or an ARN; undefined for an unknown secret. */
  arn(secretId: unknown): string | undefined;
  /** Returns the value of a secret, by its name or ARN, as the template refers to it; undefined for an unknown secret. */
  text(secretId: string): string | undefined;
}

interface Secret {
  readonly arn: string;
  readonly name: string;
  readonly value: string;
  readonly version: string;
  readonly created: number;
}

/** File mode: only the owner may read and write. */
const OWNER_ONLY = 0o600;
const DEFAULT_PASSWORD_LENGTH = 32;

/**
 * Generates the secrets, or reads those that are stored in `data`.
 * @throws Error with one sentence if the file cannot be read: new secrets would make the stored data of the app useless
 */
export function startSecrets(resources: readonly Resolved[], data: string | undefined): SecretsManager {
  const stored = data === undefined || resources.length === 0 ? {} : readStored(data);
  let secrets = resources.map((resource) => makeSecret(resource, objectOr(stored[resource.name])));
  /** Stores the values before they are used, so that a value that cannot be stored is not acknowledged. */
  const replace = (next: readonly Secret[]) => {
    if (data !== undefined && next.length > 0) store(next, data);
    secrets = [...next];
  };
  replace(secrets);
  const find = (id: unknown) => secrets.find(({ arn, name }) => id === arn || id === name);
  return {
    arn: (id) => find(id)?.arn,
    text: (id) => find(id)?.value,
    run(operation, input) {
      const secret = find(input.SecretId);
      const { answer, changed } = run(operation, input, secret);
      if (changed) {
        replace(secrets.map((other) => (other === secret ? changed : other)));
      }
      return answer;
    },
  };
}

const fileIn = (data: string): string => join(data, 'secrets.json');

function store(secrets: readonly Secret[], data: string): void {
  mkdirSync(data, { recursive: true });
  const text = JSON.stringify(Object.fromEntries(secrets.map((secret) => [secret.name, secret])), null, 2);
  // The rename is atomic, so a crash leaves the old or the new values.
  writeFileSync(`${fileIn(data)}.new`, text, { mode: OWNER_ONLY });
  renameSync(`${fileIn(data)}.new`, fileIn(data));
}

/** Returns the stored secrets. The file may be missing only if there are no tables, because secrets are stored first. */
function readStored(data: string): JsonObject {
  const file = fileIn(data);
  if (!existsSync(file)) {
    if (existsSync(join(data, 'dynamodb'))) throw lost(data, 'is missing');
    return {};
  }
  const stored = parseJson(readText(file, data));
  if (!isObject(stored)) throw lost(data, 'is damaged: it is not a JSON object');
  const damaged = Object.entries(stored).find(([, secret]) => !isSecret(secret));
  if (damaged !== undefined) throw lost(data, `is damaged: it has no whole secret ${damaged[0]}`);
  if (Object.keys(stored).length === 0) throw lost(data, 'is damaged: it is empty');
  return stored;
}

function readText(file: string, data: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw lost(data, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function isSecret(value: unknown): boolean {
  const { value: text, version, created } = objectOr(value);
  return typeof text === 'string' && typeof version === 'string' && typeof created === 'number';
}

const lost = (data: string, what: string): Error =>
  new Error(
    `${fileIn(data)} ${what}. The app needs its secrets to read the stored data: put back a copy of it, ` +
      `or remove ${data} to begin with new secrets and without data`,
  );

function makeSecret(resource: Resolved, stored: JsonObject): Secret {
  const { value, version, created } = stored;
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
    throw new Error(`${describeResource(resource)} has a SecretStringTemplate that is not JSON: ${template}`);
  return JSON.stringify({ ...objectOr(base), [key]: password });
}

const LOWERCASE = 'abcdefghijklmnopqrstuvwxyz';
const NUMBERS = '0123456789';
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';

/**
 * Returns a password by the rules of `GetRandomPassword`. By default it has a character of each kind that is not excluded.
 * @throws Error if the rules exclude every character
 */
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

interface Outcome {
  readonly answer: ServiceAnswer;
  /** The secret as it is from now on. */
  readonly changed?: Secret;
}

function run(operation: string, input: JsonObject, secret: Secret | undefined): Outcome {
  const known = ['GetSecretValue', 'DescribeSecret', 'PutSecretValue'];
  if (!known.includes(operation)) return { answer: failure('UnknownOperationException') };
  if (secret === undefined) return { answer: notFound("Secrets Manager can't find the specified secret.") };
  if (operation === 'PutSecretValue') return put(input, secret);
  return { answer: operation === 'DescribeSecret' ? describe(secret) : get(input, secret) };
}

const common = ({ arn, name }: Secret) => ({ ARN: arn, Name: name });

function describe(secret: Secret): ServiceAnswer {
  const versions = { VersionIdsToStages: { [secret.version]: ['AWSCURRENT'] } };
  return { status: 200, body: { ...common(secret), CreatedDate: secret.created, ...versions } };
}

function get(input: JsonObject, secret: Secret): ServiceAnswer {
  const stage = stringOr(input.VersionStage, 'AWSCURRENT');
  const version = stringOr(input.VersionId, secret.version);
  if (stage !== 'AWSCURRENT' || version !== secret.version) {
    return notFound(`Secrets Manager can't find the specified secret value for staging label: ${stage}`);
  }
  const value = { SecretString: secret.value, VersionId: secret.version, VersionStages: ['AWSCURRENT'] };
  return { status: 200, body: { ...common(secret), CreatedDate: secret.created, ...value } };
}

const TAKEN_BY_PUT = ['SecretId', 'SecretString', 'ClientRequestToken'];

/** Adds a version. Its id is the token of the call, so a repeated call has no effect, and no version is overwritten. */
function put(input: JsonObject, secret: Secret): Outcome {
  const foreign = Object.keys(input).find((name) => !TAKEN_BY_PUT.includes(name));
  const { SecretString: value, ClientRequestToken: version } = input;
  if (foreign !== undefined || typeof value !== 'string' || typeof version !== 'string')
    return {
      answer: failure('InvalidParameterException', `the local stack takes ${TAKEN_BY_PUT.join(', ')}`),
    };
  const isRepeated = version === secret.version;
  if (isRepeated && value !== secret.value) {
    const message = 'You already have a version with that ClientRequestToken, with another value.';
    return { answer: failure('ResourceExistsException', message) };
  }
  const body = { ...common(secret), VersionId: version, VersionStages: ['AWSCURRENT'] };
  const changed = { ...secret, value, version, created: Date.now() / 1_000 };
  return { answer: { status: 200, body }, ...(isRepeated ? {} : { changed }) };
}

const notFound = (message: string) => failure('ResourceNotFoundException', message);

const failure = (type: string, Message?: string): ServiceAnswer => ({
  status: 400,
  body: { __type: type, ...(Message === undefined ? {} : { Message }) },
});
