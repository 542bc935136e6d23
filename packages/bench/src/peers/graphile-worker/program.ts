import { Logger, run } from 'graphile-worker';
import { createObjectBuffer } from '../object-buffer.ts';
import { jobName } from '../peer.ts';
import { setting } from '../setting.ts';
import { connectStore, rowsPerObject } from '../upload-lines.ts';

/** Objects that are collected or uploaded at the same time. Each of their events is a job that stays active until the upload. */
const objects = 4;

const buffer = createObjectBuffer({ upload: connectStore(), size: rowsPerObject, waitMs: 50 });

const runner = await run({
  preset: {
    worker: {
      connectionString: setting('DATABASE_URL'),
      concurrentJobs: objects * rowsPerObject,
      // The jobs of one object, so that the next jobs are fetched while these are uploaded.
      localQueue: { size: rowsPerObject },
      // As in the library's own benchmark: jobs that finish together are completed in one statement.
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      // The default logger prints a line per job.
      logger: new Logger(() => (level: string, message: string) => {
        if (level === 'error') process.stderr.write(`${message}\n`);
      }),
    },
  },
  noHandleSignals: true,
  taskList: { [jobName]: (event: unknown) => buffer.add(event) },
});
process.once('SIGTERM', () => runner.stop());
process.stdout.write('ready\n');
