import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

/* Compares a document with what the Elastic Common Schema publishes about the fields that we use, from a table of facts. */

interface Facts {
  readonly version: string;
  /** `type`, and `[]` behind it for a field that should hold an array. */
  readonly fields: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, readonly string[]>>;
  /** Values of `event.type` by those of `event.category`. */
  readonly typesOfCategory: Readonly<Record<string, readonly string[]>>;
}

type Json = Readonly<Record<string, unknown>>;

const facts: Facts = JSON.parse(readFileSync(new URL('./ecs-9.5.0.json', import.meta.url), 'utf8'));

/** Fields of a product stand below its name. */
const own = 'auditbox';

/** What is wrong with a document. */
export function checkEcs(document: Json): readonly string[] {
  const { [own]: _, ...common } = document;
  const problems = checkFields(common, '');
  if (read(document, 'ecs', 'version') !== facts.version) problems.push('ecs.version is another one');
  if (document['@timestamp'] === undefined) problems.push('@timestamp is missing');
  return [...problems, ...checkCategories(document)];
}

function checkFields(value: Json, at: string): string[] {
  return Object.entries(value).flatMap(([name, member]) => {
    const path = `${at}${name}`;
    const about = facts.fields[path];
    if (about !== undefined) return checkField(member, about, path);
    const isGroup = Object.keys(facts.fields).some((field) => field.startsWith(`${path}.`));
    if (!isGroup) return [`${path} is not a field`];
    if (!isObject(member)) return [`${path} is not an object`];
    if (Object.keys(member).length === 0) return [`${path} is empty`];
    return checkFields(member, `${path}.`);
  });
}

function checkField(member: unknown, about: string, path: string): string[] {
  const isList = about.endsWith('[]');
  const type = isList ? about.slice(0, -2) : about;
  if (isList !== Array.isArray(member)) return [`${path} is ${isList ? 'not ' : ''}an array`];
  const elements = Array.isArray(member) ? member : [member];
  return elements.flatMap((element) => {
    if (!fits(element, type)) return [`${path} is ${JSON.stringify(element)}, not of the type ${type}`];
    const accepted = facts.values[path];
    return accepted === undefined || accepted.includes(String(element))
      ? []
      : [`${path} is ${element}, not in the list`];
  });
}

/** More than Elasticsearch indexes of a keyword, without `ignore_above`. */
const longestKeyword = 32_766;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

function fits(value: unknown, type: string): boolean {
  switch (type) {
    case 'keyword':
    case 'wildcard':
      return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= longestKeyword;
    case 'date':
      return typeof value === 'string' && time.test(value) && !Number.isNaN(Date.parse(value));
    case 'ip':
      // The type knows no zone.
      return typeof value === 'string' && isIP(value) !== 0 && !value.includes('%');
    // Of keywords.
    case 'object':
      return isObject(value) && Object.values(value).every((one) => fits(one, 'keyword'));
    default:
      throw new Error(`The table has the type ${type}.`);
  }
}

function checkCategories(document: Json): string[] {
  const [categories, types] = ['category', 'type'].map((name) => read(document, 'event', name));
  if (!Array.isArray(categories) || !Array.isArray(types)) return [];
  return categories.flatMap((category) =>
    types
      .filter((type) => !facts.typesOfCategory[String(category)]?.includes(String(type)))
      .map((type) => `event.type ${type} is not expected in the category ${category}`),
  );
}

function read(document: Json, group: string, name: string): unknown {
  return (document[group] as Json | undefined)?.[name];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
