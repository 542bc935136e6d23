import { createHash } from 'node:crypto';
import { defaultSchema, nameSchema } from '../database/schema-name.ts';
import { readMigrations } from '../migrate/migrations.ts';

/** A function as the migrations leave it. */
interface ExpectedFunction {
  readonly name: string;
  /** Of its body; null if the body is a parsed `return …`, which has no text to compare. */
  readonly md5: string | null;
  readonly isDefiner: boolean;
  /** Its settings, in the form of pg_proc.proconfig, sorted and without quotes. */
  readonly settings: readonly string[];
}

/** The head of a function, and its body between dollar quotes. */
const definition =
  /create (?:or replace )?function auditbox\.(\w+)\s*\(([\s\S]*?)(?:\bas \$\$([\s\S]*?)\$\$|\breturn\b(?!s))/i;
const changed = /alter function auditbox\.(\w+)\([^)]*\) set (.+)/i;
const setting = /\bset (\w+) = ('[^']*'|\w+(?:, \w+)*)/gi;

/** The functions as the last migration that makes or alters them has them. */
export function listExpectedFunctions(schema: string = defaultSchema): ExpectedFunction[] {
  const functions = new Map<string, ExpectedFunction>();
  // Each statement by itself: a function with a parsed body must not get the text of the next one.
  for (const statement of readMigrations().flatMap(({ statements }) => statements)) {
    const [, name, head = '', body] = definition.exec(statement) ?? [];
    if (name !== undefined) {
      const md5 = body === undefined ? null : createHash('md5').update(nameSchema(body, schema)).digest('hex');
      functions.set(name, { name, md5, isDefiner: /\bsecurity definer\b/i.test(head), settings: readSettings(head) });
    }
    const [, alteredName = '', clause = ''] = changed.exec(statement) ?? [];
    const altered = functions.get(alteredName);
    if (altered)
      functions.set(alteredName, {
        ...altered,
        settings: [...altered.settings, ...readSettings(`set ${clause}`)].sort(),
      });
  }
  return [...functions.values()];
}

function readSettings(head: string): string[] {
  return [...head.matchAll(setting)].map(([, name, value = '']) => `${name}=${value.replaceAll("'", '')}`).sort();
}
