/**
 * Keeps parsed expressions. An app has few expressions and sends them with other values each time, and to parse them took a third
 * of the processor time of this stack.
 * @module
 */
import conditionParser, { type Parse, type ParserContext } from 'dynalite/db/conditionParser.js';
import projectionParser from 'dynalite/db/projectionParser.js';
import updateParser from 'dynalite/db/updateParser.js';

/** Makes a copy of a parsed expression with the values of another request. */
type Build = (values: Readonly<Record<string, object>>) => unknown;

interface Parsed {
  readonly build: Build;
  readonly usedNames: readonly string[];
  readonly usedValues: readonly string[];
  /** The literal bounds of each BETWEEN: the parser refuses bounds in the wrong order. */
  readonly bounds: readonly (readonly [Build, Build])[];
}

/** Expressions of one kind. An app that builds its expressions may have more, and they are parsed again then. */
const MAX_CACHED = 1_000;

/** A function whose validity depends on the value, not only on its type. */
const DEPENDS_ON_VALUES = /attribute_type/i;

let isInstalled = false;

/** Makes the parsers of dynalite, which all stores of this process share, keep what they have parsed. */
export function cacheExpressions(): void {
  if (isInstalled) return;
  isInstalled = true;
  for (const parser of [conditionParser, projectionParser, updateParser]) {
    parser.parse = cachedParse(parser.parse);
  }
}

/** Returns a function that returns and throws what `parse` does, and keeps the results for valid expressions. */
export function cachedParse(parse: Parse): Parse {
  const cache = new Map<string, Parsed>();
  return (text, options) => {
    const { context } = options;
    const { attrNames = {}, attrVals = {} } = context;
    if (DEPENDS_ON_VALUES.test(text)) return parse(text, options);
    const key = keyOf(text, attrNames, attrVals);
    let parsed = cache.get(key);
    if (parsed === undefined) {
      parsed = parseOnce(parse, text, context);
      if (parsed === undefined) return parse(text, options);
      if (cache.size >= MAX_CACHED) cache.clear();
      cache.set(key, parsed);
    }
    const { build, bounds, usedNames, usedValues } = parsed;
    if (bounds.some(([low, high]) => context.compare('GT', low(attrVals), high(attrVals)))) {
      return parse(text, options);
    }
    for (const name of usedNames) delete context.unusedAttrNames[name];
    for (const name of usedValues) delete context.unusedAttrVals[name];
    return build(attrVals);
  };
}

/** Returns the expression, its names, and the types of its values. The result of the parser depends on nothing else. */
function keyOf(
  text: string,
  names: Readonly<Record<string, string>>,
  values: Readonly<Record<string, object>>,
): string {
  let key = `${text}\n${JSON.stringify(names)}`;
  for (const name in values) key += `\n${name} ${Object.keys(values[name] ?? {}).join()}`;
  return key;
}

/** Returns undefined for an invalid expression. */
function parseOnce(parse: Parse, text: string, context: ParserContext): Parsed | undefined {
  const { attrNames = {}, attrVals = {} } = context;
  const unusedAttrNames = allTrue(attrNames);
  const unusedAttrVals = allTrue(attrVals);
  const tree = treeOf(parse, text, { ...context, unusedAttrNames, unusedAttrVals });
  if (tree === undefined) return undefined;
  const names = new Map(Object.entries(attrVals).map(([name, value]) => [value, name]));
  const bounds: (readonly [Build, Build])[] = [];
  return {
    build: builderOf(tree, names, bounds),
    usedNames: Object.keys(attrNames).filter((name) => !(name in unusedAttrNames)),
    usedValues: Object.keys(attrVals).filter((name) => !(name in unusedAttrVals)),
    bounds,
  };
}

/** Returns undefined for an invalid expression, whose error depends on more than the types of its values. */
function treeOf(parse: Parse, text: string, context: ParserContext): object | undefined {
  try {
    const tree = parse(text, { context });
    return typeof tree === 'object' && tree !== null ? tree : undefined;
  } catch {
    return undefined;
  }
}

const allTrue = (names: object): Record<string, true> =>
  Object.fromEntries(Object.keys(names).map((name) => [name, true] as const));

/** The tree has the value objects of the request themselves. Everything else in it is copied, because dynalite changes it. */
function builderOf(
  node: unknown,
  names: ReadonlyMap<object, string>,
  bounds: (readonly [Build, Build])[],
): Build {
  if (typeof node !== 'object' || node === null) return () => node;
  const name = names.get(node);
  if (name !== undefined) return (values) => values[name];
  if (Array.isArray(node)) {
    const parts = node.map((part) => builderOf(part, names, bounds));
    return (values) => parts.map((part) => part(values));
  }
  const prototype: unknown = Object.getPrototypeOf(node);
  const members = Object.entries(node).map(
    ([member, value]) => [member, builderOf(value, names, bounds)] as const,
  );
  const [, low, high] = Reflect.get(node, 'type') === 'between' ? argumentsOf(node) : [];
  if (isValue(low, names) && isValue(high, names)) {
    bounds.push([builderOf(low, names, bounds), builderOf(high, names, bounds)]);
  }
  return (values) => {
    const copy = prototype === null ? Object.create(null) : {};
    for (const [member, build] of members) copy[member] = build(values);
    return copy;
  };
}

function argumentsOf(node: object): readonly unknown[] {
  const list: unknown = Reflect.get(node, 'args');
  return Array.isArray(list) ? list : [];
}

const isValue = (node: unknown, names: ReadonlyMap<object, string>): boolean =>
  typeof node === 'object' && node !== null && names.has(node);
