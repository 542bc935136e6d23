import { randomBytes } from 'node:crypto';
import postgres from 'postgres';

const template = 'auditbox_template';

/**
 * A migrated database that others are copied from, which takes a tenth of the time of migrating. The month that most
 * events of tests are of has its partition, for those that are inserted without asking for one.
 */
export async function createTemplate(server: string, migrate: (url: string) => Promise<void>): Promise<void> {
  await run(server, `create database ${template}`);
  await migrate(urlOf(server, template));
  await run(urlOf(server, template), `select auditbox.make_month('2026-07-01')`);
}

/** A database of one's own; the URL of it. */
export async function createTestDatabase(server: string, { empty = false } = {}): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await run(server, `create database ${name}${empty ? '' : ` template ${template}`}`);
  return urlOf(server, name);
}

function urlOf(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

async function run(url: string, statement: string): Promise<void> {
  for (let triesLeft = 50; ; triesLeft -= 1) {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    try {
      await sql.unsafe(statement);
      return;
    } catch (error) {
      // A server that has just opened its port, or two copies of the template at the same moment.
      if (triesLeft === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}
