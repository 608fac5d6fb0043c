/**
 * A kept expression has the result, the error and the effects of the parser of dynalite.
 */
import conditionParser, { type Parse, type ParserContext } from 'dynalite/db/conditionParser.js';
import projectionParser from 'dynalite/db/projectionParser.js';
import updateParser from 'dynalite/db/updateParser.js';
import { describe, expect, it } from 'vitest';
import { cachedParse } from '../../../local/services/expression-cache.ts';

type Names = Record<string, string>;
type Values = Record<string, Record<string, unknown>>;

/** Reserved words and comparisons, as the validations of dynalite supply them. */
const contextOf = (
  names: Names,
  values: Values,
): ParserContext & { isReserved: (name: string) => boolean } => ({
  attrNames: names,
  attrVals: values,
  unusedAttrNames: Object.fromEntries(Object.keys(names).map((name) => [name, true as const])),
  unusedAttrVals: Object.fromEntries(Object.keys(values).map((name) => [name, true as const])),
  isReserved: (name) => name === 'size_reserved',
  compare: (_operator, one, other) => JSON.stringify(one) > JSON.stringify(other),
});

/** Returns all that a request sees of a parse. */
function seen(parse: Parse, text: string, names: Names, values: Values): unknown {
  const context = contextOf(names, structuredClone(values));
  const left = () => ({ names: context.unusedAttrNames, values: context.unusedAttrVals });
  try {
    const result = parse(text, { context });
    return { result: JSON.parse(JSON.stringify(result)), ...left() };
  } catch (error) {
    return { error: String(error), ...left() };
  }
}

const NUMBERS: Values[] = [
  { ':a': { N: '1' }, ':b': { N: '2' } },
  { ':a': { N: '7' }, ':b': { N: '5' } },
  { ':a': { S: 'x' }, ':b': { N: '5' } },
  { ':a': { S: 'x' }, ':b': { S: 'y' } },
  { ':a': { L: [{ S: 'x' }] }, ':b': { SS: ['p', 'q'] } },
  { ':a': { S: 'NS' }, ':b': { S: 'y' }, ':unused': { S: 'z' } },
  { ':a': { S: 'XX' } },
];
const NAMES: Names[] = [{ '#n': 'one', '#m': 'two' }, { '#n': 'one', '#m': 'one' }, { '#n': 'size' }, {}];

const CONDITIONS = [
  '#n = :a',
  '#n = :a AND (#m < :b OR attribute_not_exists(#n.deep[3]))',
  '#n BETWEEN :a AND :b',
  'NOT #n IN (:a, :b)',
  'begins_with(#n, :a)',
  'attribute_type(#n, :a)',
  'size(#n) > :a AND contains(#m, :b)',
  'plain = :a AND size_reserved = :b',
  ':a = #n',
  '#n = ',
  '((#n = :a))',
  'unknown(#n)',
];
const UPDATES = [
  'SET #n = :a, #m = if_not_exists(#m, :b)',
  'SET #n = #n + :a REMOVE #m.deep',
  'ADD #n :a DELETE #m :b',
  'SET #n = list_append(#n, :a)',
  'SET #n = :a, #n = :b',
  'SET #n = :a SET #m = :b',
];
const PROJECTIONS = ['#n', '#n, #m', '#n.deep[1], plain', '#n, #n'];

const KINDS: readonly (readonly [string, Parse, readonly string[]])[] = [
  ['condition', conditionParser.parse, CONDITIONS],
  ['update', updateParser.parse, UPDATES],
  ['projection', projectionParser.parse, PROJECTIONS],
];

describe.each(KINDS)('a kept %s', (_kind, parse, texts) => {
  const cached = cachedParse(parse);

  it.each(texts)('%s', (text) => {
    for (let round = 0; round < 2; round += 1) {
      for (const names of NAMES) {
        for (const values of NUMBERS) {
          expect(seen(cached, text, names, values)).toEqual(seen(parse, text, names, values));
        }
      }
    }
  });
});

it('is parsed once for each set of types', () => {
  let parsed = 0;
  const cached = cachedParse((text, options) => {
    parsed += 1;
    return conditionParser.parse(text, options);
  });
  for (let n = 0; n < 10; n += 1) {
    seen(cached, '#n = :a', { '#n': 'one' }, { ':a': { N: String(n) } });
    seen(cached, '#n = :a', { '#n': 'one' }, { ':a': { S: String(n) } });
  }
  expect(parsed).toBe(2);
});

it('is a copy for each request, because dynalite writes into it', () => {
  const cached = cachedParse(updateParser.parse);
  const parse = () => JSON.stringify(cached('SET a = :a', { context: contextOf({}, { ':a': { S: 'x' } }) }));
  const before = parse();
  const tree = cached('SET a = :a', { context: contextOf({}, { ':a': { S: 'x' } }) });
  const [section] = sectionsOf(tree);
  if (section === undefined) throw new Error('the tree has no section');
  Reflect.set(section, 'val', { S: 'other' });
  expect(parse()).toBe(before);
});

function sectionsOf(tree: unknown): object[] {
  const sections: unknown =
    typeof tree === 'object' && tree !== null ? Reflect.get(tree, 'sections') : undefined;
  return Array.isArray(sections) ? sections : [];
}
