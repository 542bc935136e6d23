import { setTimeout as delay } from 'node:timers/promises';
import { getDisabledLogger, IsolationLevel, initializePollingMessageListener } from 'pg-transactional-outbox';
import { createObjectBuffer } from '../object-buffer.ts';
import { setting } from '../setting.ts';
import { connectStore } from '../upload-lines.ts';
import { listenerConfig } from './listener-config.ts';

/**
 * The library keeps a transaction and so a connection open for each message until its handler is done. So an object can
 * have no more rows than there are connections: 1,000 are out of reach, these leave room below Postgres's default of 100.
 * With 300 or 1,000 connections, on a server that allows them, it is not faster.
 */
const connections = 80;

/** Messages that are fetched and not done yet. */
const maxInFlight = 4000;

/** Fetched at once at least, because the polling function looks through everything pending each time. */
const minBatch = 2000;

const buffer = createObjectBuffer({ upload: connectStore(), size: connections, waitMs: 50 });

process.stdout.write('ready\n');
const [shutdown] = initializePollingMessageListener(
  listenerConfig(setting('DATABASE_URL'), connections),
  { handle: ({ payload }) => buffer.add(payload) },
  getDisabledLogger(),
  {
    messageProcessingTransactionLevelStrategy: () => IsolationLevel.ReadCommitted,
    // The default one fetches single messages at first. 0 means not now; without the delay the listener would spin.
    batchSizeStrategy: async (inFlight) => {
      if (inFlight <= maxInFlight - minBatch) return maxInFlight;
      await delay(5);
      return 0;
    },
  },
);
process.once('SIGTERM', async () => {
  await shutdown();
  process.exit();
});
