import { PgBoss } from 'pg-boss';
import { setting } from '../setting.ts';
import { connectStore, rowsPerObject } from '../upload-lines.ts';
import { queue } from './queue.ts';

/** Each fetches and settles its own batches; eight drain no faster, two are slower. */
const workers = 4;

const upload = connectStore();
const boss = new PgBoss({ connectionString: setting('DATABASE_URL'), schedule: false });
boss.on('error', (error) => process.stderr.write(`${error}\n`));
await boss.start();
process.once('SIGTERM', () => boss.stop());

process.stdout.write('ready\n');
await boss.work(
  queue,
  {
    batchSize: rowsPerObject,
    localConcurrency: workers,
    // After a full batch the next is fetched at once; half a second is the shortest interval otherwise.
    burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5,
  },
  (jobs) => upload(jobs.map(({ data }) => data)),
);
