import { setTimeout as delay } from 'node:timers/promises';
import { databaseFault, describeFault, isPassingFault } from './database-error.ts';
import { migrateDatabase } from './migrate.ts';

/* `npm run migrate`: brings the schema up to date, waiting for a database that is not there yet. */

const waitMs = 60_000;

const url = process.env.DATABASE_URL;
if (!url) leave('DATABASE_URL is not set; it takes a URL such as postgres://user:password@host:5432/database.');
const giveUpAt = performance.now() + waitMs;
for (let told = false; ; told = true) {
  try {
    await migrateDatabase(url);
    break;
  } catch (error) {
    const fault = databaseFault(error);
    if (fault === null) leave(String(error));
    if (!isPassingFault(fault) || performance.now() > giveUpAt) leave(describeFault(fault));
    if (!told) process.stderr.write(`${describeFault(fault)} Waiting up to ${waitMs / 1000} s for it.\n`);
    await delay(500);
  }
}
process.stdout.write('The schema is up to date.\n');

function leave(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
