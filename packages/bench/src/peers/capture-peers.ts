import { chmod, cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sql } from 'postgres';
import { names } from '../names.ts';

/*
 * Triggers that record the changes of a table, each set up as its documentation says. Their SQL is not part of this
 * repository. It is read from a folder that `--capture-peers` names: a checkout of https://github.com/supabase/supa_audit as
 * `supa_audit`, and of https://github.com/2ndQuadrant/audit-trigger as `audit-trigger`.
 */

export interface CapturePeer {
  readonly name: string;
  /** Needs the schema of Auditbox. */
  readonly isOurs: boolean;
  /** The table that has a row for each changed row of the captured table; null without one. */
  readonly events: string | null;
  /** Begins to record the changes of the table. */
  setUp(sql: Sql, table: string): Promise<void>;
}

export const nothing: CapturePeer = { name: names.noCapture, isOurs: false, events: null, setUp: async () => {} };

export const ourCapture: CapturePeer = {
  name: names.auditbox,
  isOurs: true,
  events: "auditbox.audit_log where table_name = 'public.invoice'",
  async setUp(sql, table) {
    await sql`select auditbox.capture(${table}::regclass)`;
  },
};

/** An extension: `create extension supa_audit cascade`, and `audit.enable_tracking` for a table. */
export const supaAudit = (peers: string): CapturePeer => ({
  name: names.supaAudit,
  isOurs: false,
  events: 'audit.record_version',
  async setUp(sql, table) {
    // The server may be another user, and looks in a subfolder `extension`.
    const folder = await mkdtemp(join(tmpdir(), 'auditbox-extension-'));
    await chmod(folder, 0o755);
    await cp(join(peers, 'supa_audit'), join(folder, 'extension'), { recursive: true });
    await sql`select set_config('extension_control_path', ${`$system:${folder}`}, false)`;
    await sql`create extension supa_audit cascade`;
    await sql`select audit.enable_tracking(${table}::regclass)`;
    await rm(folder, { recursive: true });
  },
});

/** A script: `audit.sql`, and `audit.audit_table` for a table. */
export const auditTrigger = (peers: string): CapturePeer => ({
  name: names.auditTrigger,
  isOurs: false,
  events: 'audit.logged_actions',
  async setUp(sql, table) {
    await sql.unsafe(await readFile(join(peers, 'audit-trigger/audit.sql'), 'utf8')).simple();
    await sql`select audit.audit_table(${table}::regclass)`;
  },
});
