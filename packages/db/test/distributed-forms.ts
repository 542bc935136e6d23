/*
 * Forms of SQL that a distributed schema of Citus refuses, or runs with another meaning. Each was met on Citus 13.2.2. All of
 * them are allowed on plain Postgres, and none of them is needed there.
 */

/** A text of SQL: the body of a function, or a file of TypeScript with statements. */
export interface SqlText {
  readonly name: string;
  readonly text: string;
}

export interface Rule {
  readonly name: string;
  /** What Citus answers, or what breaks in silence. */
  readonly because: string;
  /** The places in a text that break the rule. */
  readonly find: (text: string) => string[];
  /** What the rule must find, and what it must not. */
  readonly wrong: string;
  readonly right: string;
}

const tables =
  'api_key|audit_log|batch|captured_table|delivery|destination|frontier|last_verify|log_checkpoint|log_entry|log_head|migration|migration_step|outbox|outbox_status|rejection|secret';
const volatile =
  /\b(clock_timestamp|gen_random_uuid|uuidv7|random|nextval|pg_current_xact_id|txid_current|timeofday)\s*\(/;
/** Functions that depend on settings of the session, or on the time. */
const unstable =
  /\b(to_char|format|to_json|row_to_json|json_build_object|now|statement_timestamp|clock_timestamp)\s*\(|extract\s*\(\s*epoch\s+from\s+[\w.]+\s*\)/;

export const rules: readonly Rule[] = [
  {
    name: 'names are schema-qualified',
    because: 'a cell is one schema of several in a database, and the path of a session names none of them',
    find: (text) => all(text, new RegExp(`\\b(?:from|join|into|update|only)\\s+(?:${tables})\\b(?!\\s*[.(])`, 'g')),
    wrong: 'delete from outbox where id = 1',
    right: 'delete from auditbox.outbox where id = 1',
  },
  {
    name: 'an update or delete calls no volatile function',
    because: 'functions used in UPDATE queries on distributed tables must not be VOLATILE',
    find: (text) => statements(text, /\b(?:update|delete\s+from)\s+auditbox\.\w+/g).filter((one) => volatile.test(one)),
    wrong: 'update auditbox.delivery set lease_token = gen_random_uuid() where batch_id = 1',
    right: 'update auditbox.delivery set leased_until = statement_timestamp(), lease_token = $1 where batch_id = 1',
  },
  {
    name: 'RETURNING has columns and immutable functions',
    because: 'non-IMMUTABLE functions are not allowed in the RETURNING clause',
    find: (text) => statements(text, /\breturning\b/g).filter((one) => unstable.test(one)),
    wrong: 'insert into auditbox.batch (id) values (1) returning id, extract(epoch from sealed_at)',
    right:
      "insert into auditbox.batch (id) values (1) returning id, extract(epoch from sealed_at - timestamptz 'epoch')",
  },
  {
    name: 'VALUES of an insert have no subquery',
    because: 'subqueries are not supported within INSERT queries',
    find: (text) =>
      statements(text, /\binsert\s+into\s+auditbox\.\w+/g)
        .filter((one) => /\bvalues\s*\(/.test(one))
        .filter((one) =>
          /\(\s*select\b/.test(one.slice(one.search(/\bvalues\s*\(/), one.search(/\bon conflict\b|\breturning\b|$/))),
        ),
    wrong: 'insert into auditbox.api_key (scopes) values (array(select 1)) returning id',
    right: 'insert into auditbox.api_key (scopes) values ($1) returning id',
  },
  {
    name: 'a trigger does not insert from its transition table',
    because: 'executor could not find named tuplestore',
    find: (text) =>
      statements(text, /\binsert\s+into\s+auditbox\.\w+/g).filter((one) =>
        /\bfrom\s+(?:recorded|inserted)\b/.test(one),
      ),
    wrong: 'insert into auditbox.outbox (audit_id) select r.id from recorded r',
    right: 'insert into auditbox.outbox (audit_id) select event.id from unnest(ids) as event (id)',
  },
  {
    name: 'CASE and COALESCE of a change call no volatile function',
    because: 'non-IMMUTABLE functions are not allowed in CASE or COALESCE statements',
    find: (text) =>
      [...changes(text)].filter((one) => cases(one).some((part) => volatile.test(part))).map((one) => one.slice(0, 80)),
    wrong:
      'with a as (insert into auditbox.batch (id) values (1)) select case when $1 then clock_timestamp() end from a',
    right: 'with a as (insert into auditbox.batch (id) values (1)) select case when $1 then $2 end from a',
  },
  {
    name: 'CASE and COALESCE of an update depend on columns and parameters',
    because: 'non-IMMUTABLE functions are not allowed in CASE or COALESCE statements',
    find: (text) =>
      statements(text, /\b(?:update|delete\s+from)\s+auditbox\.\w+/g).filter((one) =>
        cases(one).some((part) => /\b(?:session_user|current_user)\b|\b(?:now|statement_timestamp)\s*\(/.test(part)),
      ),
    wrong: "update auditbox.api_key set revoked_by = coalesce(by ->> 'changed_by', session_user) where key_id = $1",
    right: 'update auditbox.api_key set revoked_at = now(), revoked_by = who where key_id = $1',
  },
];

/** SQL without comments. TypeScript's comments are left out too. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, ' ').replace(/(^|\s)(?:--|\/\/).*$/gm, '$1');
}

function all(text: string, form: RegExp): string[] {
  return [...text.matchAll(form)].map(([found]) => found.replace(/\s+/g, ' '));
}

/** From each match on to the end of its statement, or of the parentheses around it. */
function statements(text: string, start: RegExp): string[] {
  return [...text.matchAll(start)].map(({ index }) => {
    let depth = 0;
    for (let at = index; at < text.length; at += 1) {
      const letter = text[at];
      if (letter === '(') depth += 1;
      if (letter === ')') depth -= 1;
      if (depth < 0 || letter === ';' || letter === '`') return text.slice(index, at);
    }
    return text.slice(index);
  });
}

/** Whole statements that change a table. */
function changes(text: string): string[] {
  return text.split(/[;`]/).filter((one) => /\b(?:insert\s+into|update|delete\s+from)\s+auditbox\./.test(one));
}

function cases(text: string): string[] {
  return all(text, /\bcase\b[\s\S]*?\bend\b|\bcoalesce\s*\([^;`]*?\)/g);
}
