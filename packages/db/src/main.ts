import { databaseFault, describeFault } from './database-error.ts';
import { migrateDatabase } from './migrate.ts';

const url = process.env.DATABASE_URL;
if (!url) {
  process.stderr.write(
    'DATABASE_URL is not set; it takes a URL such as postgres://user:password@host:5432/database.\n',
  );
  process.exit(1);
}
try {
  await migrateDatabase(url);
  process.stdout.write('The schema is up to date.\n');
} catch (error) {
  const fault = databaseFault(error);
  process.stderr.write(`${fault ? describeFault(fault) : String(error)}\n`);
  process.exit(1);
}
