import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

/* Compares a record with what the Open Cybersecurity Schema Framework publishes about its class, from a table of facts. */

/** A class or an object: `type requirement` of each attribute, the values of those that have a list, and what names a value. */
interface Shape {
  readonly attributes: Readonly<Record<string, string>>;
  readonly enums?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly siblings?: Readonly<Record<string, string>>;
  readonly atLeastOne?: readonly string[];
}

interface OcsfClass extends Shape {
  readonly name: string;
  readonly categoryUid: number;
  readonly categoryName: string;
}

interface Facts {
  readonly version: string;
  readonly classes: Readonly<Record<string, OcsfClass>>;
  readonly objects: Readonly<Record<string, Shape>>;
  readonly types: Readonly<Record<string, { base: string; regex?: string; maxLength?: number }>>;
}

const facts: Facts = JSON.parse(readFileSync(new URL('./ocsf-1.8.0.json', import.meta.url), 'utf8'));

/** What is wrong with a record, and which recommended attributes of its class it does not have. */
export interface OcsfFindings {
  readonly problems: readonly string[];
  readonly notThere: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

export function checkOcsf(record: Json): OcsfFindings {
  const known = facts.classes[String(record.class_uid)];
  if (known === undefined) return { problems: [`class_uid is ${record.class_uid}`], notThere: [] };
  const problems = [...checkShape(record, known, ''), ...checkClass(record, known)];
  const notThere = Object.entries(known.attributes).flatMap(([name, of]) =>
    of.endsWith(' recommended') && !Object.hasOwn(record, name) ? [name] : [],
  );
  return { problems, notThere };
}

/** What follows from the class and from other attributes. */
function checkClass(record: Json, { name, categoryUid, categoryName }: OcsfClass): string[] {
  const expected = {
    class_name: name,
    category_uid: categoryUid,
    category_name: categoryName,
    type_uid: Number(record.class_uid) * 100 + Number(record.activity_id),
  };
  const version = (record.metadata as Json | undefined)?.version;
  return [
    ...Object.entries(expected).flatMap(([key, value]) =>
      record[key] === value ? [] : [`${key} is ${record[key]}, not ${value}`],
    ),
    ...(version === facts.version ? [] : [`metadata.version is ${version}, not ${facts.version}`]),
  ];
}

function checkShape(value: Json, shape: Shape, at: string): string[] {
  const { attributes, enums = {}, siblings = {}, atLeastOne } = shape;
  const required = Object.keys(attributes).filter((name) => attributes[name]?.endsWith(' required'));
  return [
    ...required.filter((name) => !Object.hasOwn(value, name)).map((name) => `${at}${name} is required`),
    ...(atLeastOne === undefined || atLeastOne.some((name) => Object.hasOwn(value, name))
      ? []
      : [`${at} needs one of ${atLeastOne.join(', ')}`]),
    ...Object.entries(value).flatMap(([name, member]) => checkAttribute(member, attributes[name], `${at}${name}`)),
    ...Object.entries(enums).flatMap(([name, captions]) => checkEnum(value, name, captions, siblings[name], at)),
  ];
}

function checkAttribute(member: unknown, about: string | undefined, at: string): string[] {
  if (about === undefined) return [`${at} is not an attribute`];
  if (about.endsWith(' deprecated')) return [`${at} is deprecated`];
  const [type = ''] = about.split(' ');
  if (!type.endsWith('[]')) return checkType(member, type, at);
  if (!Array.isArray(member)) return [`${at} is not an array`];
  return member.flatMap((element, index) => checkType(element, type.slice(0, -2), `${at}[${index}]`));
}

function checkType(member: unknown, type: string, at: string): string[] {
  const simple = facts.types[type];
  if (simple === undefined) {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return [`${at} is not an object`];
    // An object of which nothing is said.
    if (type === 'object') return [];
    const shape = facts.objects[type];
    return shape === undefined
      ? [`${at}: the table does not have ${type}`]
      : checkShape(member as Json, shape, `${at}.`);
  }
  const { base, regex, maxLength } = simple;
  const fits = {
    string_t: typeof member === 'string',
    integer_t: Number.isInteger(member),
    long_t: Number.isSafeInteger(member),
    boolean_t: typeof member === 'boolean',
    json_t: true,
  }[base];
  if (fits !== true) return [`${at} is not of ${type}`];
  if (base === 'json_t') return [];
  const text = String(member);
  if (regex !== undefined && !new RegExp(regex).test(text)) return [`${at} is ${text}, which ${type} does not match`];
  if (maxLength !== undefined && text.length > maxLength) return [`${at} is longer than ${maxLength}`];
  return type === 'ip_t' && isIP(text) === 0 ? [`${at} is ${text}, not an address`] : [];
}

/** A value is one of the list, and its name is the published one, except of those that are Other. */
function checkEnum(
  value: Json,
  name: string,
  captions: Readonly<Record<string, string>>,
  sibling: string | undefined,
  at: string,
): string[] {
  if (!Object.hasOwn(value, name)) return [];
  const caption = captions[String(value[name])];
  if (caption === undefined) return [`${at}${name} is ${value[name]}, which is not in the list`];
  if (sibling === undefined || !Object.hasOwn(value, sibling)) return [];
  if (String(value[name]) === '99') return value[sibling] === '' ? [`${at}${sibling} is empty`] : [];
  return value[sibling] === caption ? [] : [`${at}${sibling} is ${value[sibling]}, not ${caption}`];
}
