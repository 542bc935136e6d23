import { setTimeout as delay } from 'node:timers/promises';
import type { PoolConfig } from 'pg';
import { getDisabledLogger, IsolationLevel, initializePollingMessageListener } from 'pg-transactional-outbox';
import { createObjectBuffer } from '../object-buffer.ts';
import { setting } from '../setting.ts';
import { connectStore } from '../upload-lines.ts';

/**
 * The library keeps a transaction, and so a connection, open for each message until its handler is done. So an object
 * has at most as many rows as there are connections, and 1,000 are not possible. 80 stays below Postgres's default of 100
 * connections. On a server that allows 300 or 1,000 connections it is not faster.
 */
const connections = 80;

/** Most messages that are fetched and not done. */
const maxInFlight = 4000;

/** Fewest messages per fetch, because the polling function reads all pending rows at each call. */
const minBatch = 2000;

const buffer = createObjectBuffer({ upload: connectStore(), size: connections, waitMs: 50 });

process.stdout.write('ready\n');
const [shutdown] = initializePollingMessageListener(
  listenerConfig(setting('DATABASE_URL'), connections),
  { handle: ({ payload }: { readonly payload: unknown }) => buffer.add(payload) },
  getDisabledLogger(),
  {
    messageProcessingTransactionLevelStrategy: () => IsolationLevel.ReadCommitted,
    // The default strategy starts with single messages. 0 means "do not fetch now"; without the delay the listener would spin.
    batchSizeStrategy: async (inFlight: number) => {
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

/** Settings of the polling listener. Each message in progress uses one of the `connections`. */
function listenerConfig(
  connectionString: string,
  connections: number,
): Parameters<typeof initializePollingMessageListener>[0] {
  const listener: PoolConfig = { connectionString, max: 1 };
  const handler: PoolConfig = { connectionString, max: connections };
  return {
    outboxOrInbox: 'outbox',
    dbListenerConfig: listener,
    dbHandlerConfig: handler,
    settings: {
      dbSchema: 'public',
      dbTable: 'outbox',
      nextMessagesFunctionName: 'next_outbox_messages',
      nextMessagesPollingIntervalInMs: 50,
      // While messages wait for a connection, they must not be fetched again and must not time out.
      nextMessagesLockInMs: 60_000,
      messageProcessingTimeoutInMs: 60_000,
      // Off by default for an outbox.
      enableMaxAttemptsProtection: false,
      enablePoisonousMessageProtection: false,
    },
  };
}
