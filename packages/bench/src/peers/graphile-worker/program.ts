import { Logger, run } from 'graphile-worker';
import { createObjectBuffer } from '../object-buffer.ts';
import { setting } from '../setting.ts';
import { connectStore, rowsPerObject } from '../upload-lines.ts';
import { task } from './task.ts';

/** Objects that are gathered or uploaded at a time; each of their events is a job that runs meanwhile. */
const objects = 4;

const buffer = createObjectBuffer({ upload: connectStore(), size: rowsPerObject, waitMs: 50 });

const runner = await run({
  preset: {
    worker: {
      connectionString: setting('DATABASE_URL'),
      concurrentJobs: objects * rowsPerObject,
      // One object's jobs at a time, so that the next ones are fetched while these are uploaded.
      localQueue: { size: rowsPerObject },
      // As in its documentation's own benchmark: whatever is done at once is settled at once.
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      // It has a line for each job otherwise.
      logger: new Logger(() => (level, message) => {
        if (level === 'error') process.stderr.write(`${message}\n`);
      }),
    },
  },
  noHandleSignals: true,
  taskList: { [task]: (event) => buffer.add(event) },
});
process.once('SIGTERM', () => runner.stop());
process.stdout.write('ready\n');
