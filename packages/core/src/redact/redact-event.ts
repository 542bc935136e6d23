import type { NewAuditEvent } from '../event/audit-event.ts';
import type { JsonText } from '../json/json-text.ts';
import { finish, type Steps } from '../steps.ts';
import { isClean } from './is-clean.ts';
import { type Redaction, type RedactRules, redactJson, redactText } from './redact-json.ts';
import { createNameRules } from './secret-names.ts';
import { createSecretScan } from './secret-scan.ts';
import { createValueRules } from './secret-values.ts';

/** How secrets are replaced, and what counts as one. */
export interface RedactOptions {
  /** Names of further fields that hold secrets; each is its own kind. Texts that assign to them hold secrets too. */
  readonly names: readonly string[];
  /** Beginnings of further tokens. */
  readonly prefixes: readonly string[];
  /** Kinds that stay. */
  readonly skippedKinds: readonly string[];
  /** A short keyed digest of a secret, which says whether two are the same; null writes none. */
  readonly digest: ((secret: string) => string) | null;
  /** SHA-256 as hexadecimal digits, under which LiteLLM knows a key. */
  readonly sha256: (text: string) => string;
}

/** An event without its secrets. */
export interface RedactedEvent {
  readonly event: NewAuditEvent;
  /** JSON Pointers (RFC 6901) to what was replaced, as a JSON array; null if nothing was. */
  readonly redacted: string | null;
  /** The kind of each replacement. */
  readonly kinds: readonly string[];
}

/** Replaces the secrets of events. */
export interface Redactor {
  /** Whether an event certainly holds no secret. It is decided in two microseconds for a kilobyte. */
  isClean(event: NewAuditEvent): boolean;
  redactEvent(event: NewAuditEvent): Steps<RedactedEvent>;
  /** A text for a log, or for an event that the api makes itself. The name of a parameter or header may say that all of it is a secret. */
  redactText(text: string, name?: string): string;
}

/** Members that an event has as text and as JSON, by their names on the wire. */
const texts = [
  ['changedBy', 'changed_by'],
  ['changedByApiKey', 'changed_by_api_key'],
  ['action', 'action'],
  ['tableName', 'table_name'],
  ['objectId', 'object_id'],
  ['tenant', 'tenant'],
] as const;
const values = [
  ['beforeValue', 'before_value'],
  ['updatedValues', 'updated_values'],
  ['context', 'context'],
] as const;

/** A key of LiteLLM, which is the id of an object there. */
const wholeKey = /^sk-[A-Za-z0-9_-]{16,}$/;

export function createRedactor({ names, prefixes, skippedKinds, digest, sha256 }: RedactOptions): Redactor {
  const skipped = new Set(skippedKinds);
  const rules: RedactRules = {
    names: createNameRules(names, skipped),
    values: createValueRules(names, prefixes, skipped),
    replacement: (kind, secret) =>
      digest === null ? `[redacted:${kind}]` : `[redacted:${kind}:hmac:${digest(secret)}]`,
  };

  const scan = createSecretScan(rules);

  /** One search for all texts. They are far shorter than the values. A text with quotes may be JSON with secret names. */
  function mayHoldInTexts({ changedBy, changedByApiKey, action, tableName, objectId, tenant }: NewAuditEvent): boolean {
    const all = `${changedBy}\n${changedByApiKey}\n${action}\n${tableName}\n${tenant}\n${objectId}`;
    return all.includes('"') || rules.values.mayHold(all);
  }

  function redactName(text: string, isReference: boolean): { readonly text: string; readonly kind: string } | null {
    const redacted = finish(redactText(text, null, rules));
    if (redacted === null) return null;
    // The hash is what LiteLLM stores, so the events of one key stay together.
    const isHashed = isReference && wholeKey.test(text);
    return { text: isHashed ? sha256(text) : redacted.text, kind: redacted.redactions[0]?.kind ?? '' };
  }

  return {
    isClean: (event) =>
      scan.isClean(event) ||
      (!mayHoldInTexts(event) && values.every(([field]) => !event[field] || isClean(event[field], rules))),
    *redactEvent(event) {
      const changed: Record<string, string> = {};
      const places: string[] = [];
      const kinds: string[] = [];
      for (const [field, name] of mayHoldInTexts(event) ? texts : []) {
        const text = event[field];
        const redacted = text && redactName(text, field === 'objectId' || field === 'changedByApiKey');
        if (!redacted) continue;
        changed[field] = redacted.text;
        places.push(`/${name}`);
        kinds.push(redacted.kind);
      }
      for (const [field, name] of values) {
        const text = event[field];
        const redacted = text && (yield* redactJson(text, rules));
        if (!redacted) continue;
        changed[field] = redacted.text as JsonText;
        places.push(...printPlaces(name, redacted.redactions));
        for (const { kind } of redacted.redactions) kinds.push(kind);
      }
      if (places.length === 0) return { event, redacted: null, kinds };
      return { event: { ...event, ...changed }, redacted: JSON.stringify(places), kinds };
    },
    redactText: (text, name) =>
      finish(redactText(text, name === undefined ? null : rules.names.kindOf(name), rules))?.text ?? text,
  };
}

/** A list of more places, or a longer one, would be larger than the event. The pointers of the event then end higher up. */
const maxPlaces = 100;
const maxPointerLength = 512;

/** JSON Pointers to the places; one pointer to the whole value where there are too many. */
function printPlaces(name: string, redactions: readonly Redaction[]): string[] {
  if (redactions.length > maxPlaces) return [`/${name}`];
  return [...new Set(redactions.map(({ path }) => printPointer([name, ...path])))];
}

function printPointer(path: readonly (string | number)[]): string {
  let pointer = '';
  for (const part of path) {
    const next = `${pointer}/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (next.length > maxPointerLength) break;
    pointer = next;
  }
  return pointer;
}
