import type { PoolConfig } from 'pg';
import type { PollingListenerConfig } from 'pg-transactional-outbox';

/** How the outbox is listened to; each message that is being handled has one of the `connections`. */
export function listenerConfig(connectionString: string, connections: number): PollingListenerConfig {
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
      // Messages wait for a connection, and must neither be fetched again nor given up meanwhile.
      nextMessagesLockInMs: 60_000,
      messageProcessingTimeoutInMs: 60_000,
      // Off by default for an outbox.
      enableMaxAttemptsProtection: false,
      enablePoisonousMessageProtection: false,
    },
  };
}
