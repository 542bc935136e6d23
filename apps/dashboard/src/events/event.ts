import { arrayElements, compactText, type JsonText, objectMembers } from '@auditbox/core/json/json-text.ts';

/** An event as the page shows it. Its values stay text, so every digit is shown as it was written. */
export interface AuditEvent {
  readonly id: string;
  /** The line of the event in its object, byte for byte. */
  readonly line: string;
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly actor: string;
  readonly apiKey: string;
  readonly action: string;
  readonly table: string;
  readonly object: string;
  readonly before: JsonText | null;
  readonly after: JsonText | null;
  readonly context: JsonText | null;
  readonly recordedBy: string;
  readonly tenant: string | null;
  /** JSON Pointers to values that were replaced before the event was stored. */
  readonly redacted: readonly string[];
}

/** The members of an object in an answer, as text. */
export function membersOf(text: string): ReadonlyMap<string, string> {
  return new Map(objectMembers(text).map(({ name, value }) => [name, text.slice(value.start, value.end)]));
}

export function elementsOf(text: string): string[] {
  return arrayElements(text).map(({ start, end }) => text.slice(start, end));
}

export function readEvent(line: string): AuditEvent {
  const members = membersOf(line);
  const text = (name: string): string => JSON.parse(members.get(name) ?? '""') as string;
  const value = (name: string): JsonText | null => {
    const given = members.get(name);
    return given === undefined || given === 'null'
      ? null
      : compactText(given, { start: 0, end: given.length, depth: 0 });
  };
  return {
    id: text('id'),
    line,
    occurredAt: text('updated_at'),
    recordedAt: text('recorded_at'),
    actor: text('changed_by'),
    apiKey: text('changed_by_api_key'),
    action: text('action'),
    table: text('table_name'),
    object: text('object_id'),
    before: unwrap(value('before_value')),
    after: unwrap(value('updated_values')),
    context: value('context'),
    recordedBy: text('recorded_by'),
    tenant: members.has('tenant') ? text('tenant') : null,
    redacted: members.has('redacted') ? elementsOf(members.get('redacted') ?? '[]').map((one) => JSON.parse(one)) : [],
  };
}

/** LiteLLM's own export writes an object as JSON text inside a JSON string. Its members are what a reader wants to see. */
function unwrap(value: JsonText | null): JsonText | null {
  if (value === null || !/^"\s*\{/.test(value)) return value;
  try {
    const inner = JSON.parse(value) as string;
    JSON.parse(inner);
    return compactText(inner, { start: 0, end: inner.length, depth: 0 });
  } catch {
    return value;
  }
}

const aliasNames = [
  'key_alias',
  'team_alias',
  'organization_alias',
  'user_alias',
  'model_name',
  'name',
  'user_email',
  'email',
  'title',
];

/** A name for people, from the values of the event, next to an id that nobody can read. */
export function aliasOf({ before, after, object }: Pick<AuditEvent, 'before' | 'after' | 'object'>): string | null {
  for (const value of [after, before]) {
    if (value === null || !value.startsWith('{')) continue;
    const members = membersOf(value);
    for (const name of aliasNames) {
      const found = members.get(name);
      if (found === undefined || !found.startsWith('"')) continue;
      const alias = JSON.parse(found) as string;
      if (alias !== '' && alias !== object && alias.length <= 80) return alias;
    }
  }
  return null;
}

/** `key:<id>:<name>` and `sql:<login>` in words. */
export function describeRecorder(recordedBy: string): {
  readonly kind: string;
  readonly name: string;
  readonly id: string | null;
} {
  const [kind = '', first = '', ...others] = recordedBy.split(':');
  if (kind === 'key' && others.length > 0) return { kind: 'key', name: others.join(':'), id: first };
  if (kind === 'key') return { kind: 'key', name: first, id: null };
  if (kind === 'sql') return { kind: 'database login', name: [first, ...others].join(':'), id: null };
  if (kind === 'oidc') return { kind: 'sign-in', name: [first, ...others].join(':'), id: null };
  return { kind: recordedBy === '' ? 'not known' : '', name: recordedBy, id: null };
}
