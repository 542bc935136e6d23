import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { ArchiveError } from '../src/archive-error.ts';
import { type ArchiveCommand, parseArchiveCommand } from '../src/cli.ts';
import type { CommandParts } from '../src/command-parts.ts';
import { createParts } from '../src/compose.ts';
import { perform } from '../src/perform.ts';
import { readArchiveSettings } from '../src/settings.ts';

/** A database, a bucket, and the commands of `npm run archive` on them. */
export interface ArchiveFixture extends ExporterFixture {
  /** The folder of the cache. */
  readonly cache: string;
  /** Runs a command in this process, as the command line gives it. */
  archive(args: readonly string[], settings?: Record<string, string>): Promise<Ran>;
  /** What the commands work with. */
  parts(streams: Pick<CommandParts, 'write' | 'say'>, settings?: Record<string, string>): CommandParts;
  /** Inserts events by SQL, with their values as written. */
  insert(events: readonly PlainEvent[]): Promise<void>;
  /** Runs a command as a process. */
  spawn(args: readonly string[], settings?: Record<string, string>): ReturnType<typeof spawnProgram>;
  /** Runs a script of bash, in which `archive` is the command line of a command. `exec archive …` makes its process the script's. */
  spawnInShell(script: string): ReturnType<typeof spawnProgram>;
}

interface Ran {
  readonly exitCode: number;
  readonly output: string;
  /** What went to standard error. */
  readonly said: string;
}

interface PlainEvent {
  readonly id: string;
  readonly at: string;
  readonly digits?: number;
  readonly actor?: string;
  readonly action?: string;
  readonly table?: string;
  readonly object?: string;
  readonly before?: string;
  readonly updated?: string;
  readonly tenant?: string;
}

const main = new URL('../src/main.ts', import.meta.url).pathname;

export async function createArchiveFixture(): Promise<ArchiveFixture> {
  const fixture = await createExporterFixture();
  const cache = await mkdtemp(join(tmpdir(), 'auditbox-archive-test-'));
  const env: Record<string, string> = { ...fixture.env, DATABASE_URL: '', ARCHIVE_CACHE_DIR: cache };
  const parts: ArchiveFixture['parts'] = (streams, settings = {}) => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) process.env[name] = fixture.env[name];
    const { signal } = new AbortController();
    return createParts(readArchiveSettings({ ...env, ...settings }, tmpdir()), { ...streams, signal });
  };
  return {
    ...fixture,
    cache,
    parts,
    async archive(args, settings = {}) {
      let [output, said] = ['', ''];
      const streams = {
        write(text: string) {
          output += text;
        },
        say(text: string) {
          said += text;
        },
      };
      const given = parts(streams, settings);
      try {
        const exitCode = await perform(given, parseArchiveCommand(args) as Exclude<ArchiveCommand, { kind: 'erase' }>);
        return { exitCode, output, said };
      } catch (error) {
        if (error instanceof ArchiveError) return { exitCode: error.exitCode, output, said: error.message };
        if (error instanceof DatabaseError) return { exitCode: 1, output, said: error.sentence };
        throw error;
      }
    },
    async insert(events) {
      for (const event of events) {
        const { id, at, digits = 6, actor = 'ana', action = 'updated', table = 'teams', object = '42' } = event;
        const { before = null, updated = null, tenant = '' } = event;
        await fixture.db.sql`select auditbox.make_month(${at}::timestamptz)`;
        await fixture.db.sql`
          insert into auditbox.audit_log (id, occurred_at, occurred_at_digits, changed_by, action, table_name, object_id,
            before_value, updated_values, tenant)
          values (${id}::uuid, ${at}::timestamptz, ${digits}, ${actor}, ${action}, ${table}, ${object},
            ${before}::text::json, ${updated}::text::json, ${tenant})`;
      }
    },
    spawn: (args, settings = {}) => spawnProgram(process.execPath, [main, ...args], { env: { ...env, ...settings } }),
    spawnInShell: (script) =>
      spawnProgram('bash', ['-c', script.replaceAll(/\barchive\b/g, `'${process.execPath}' '${main}'`)], { env }),
    async close() {
      await fixture.close();
      await rm(cache, { recursive: true });
    },
  };
}
