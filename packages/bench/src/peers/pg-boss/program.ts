import { PgBoss } from 'pg-boss';
import { jobName } from '../peer.ts';
import { setting } from '../setting.ts';
import { connectStore, rowsPerObject } from '../upload-lines.ts';

/** Each worker fetches and completes its own batches. Eight are not faster, two are slower. */
const workers = 4;

const upload = connectStore();
const boss = new PgBoss({ connectionString: setting('DATABASE_URL'), schedule: false });
boss.on('error', (error: Error) => process.stderr.write(`${error}\n`));
await boss.start();
process.once('SIGTERM', () => boss.stop());

process.stdout.write('ready\n');
await boss.work(
  jobName,
  {
    batchSize: rowsPerObject,
    localConcurrency: workers,
    // After a full batch the next is fetched immediately. The shortest polling interval is half a second.
    burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5,
  },
  (jobs: readonly { readonly data: unknown }[]) => upload(jobs.map(({ data }) => data)),
);
