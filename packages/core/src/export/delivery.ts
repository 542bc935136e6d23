import type { RenderedObject } from './batch.ts';
import type { Partition } from './partition.ts';

/** Which delivery, and the right to change it. */
export interface DeliveryLease {
  readonly destination: string;
  readonly batchId: string;
  readonly leaseToken: string;
}

/** A delivery that this process has the lease of. */
export interface LeasedDelivery extends DeliveryLease {
  readonly partition: Partition;
  /** Whose events the batch holds, empty for events of no tenant; null for a batch of all tenants. */
  readonly tenant: string | null;
  /** Rows to send: those of the batch without the rejected ones. */
  readonly rowCount: number;
  /** Of the whole batch. ISO 8601 in UTC, six fraction digits. */
  readonly firstOccurredAt: string;
  readonly lastOccurredAt: string;
  /** This attempt included. */
  readonly attempts: number;
  /** By the database's clock, ISO 8601 in UTC, six fraction digits. */
  readonly leasedAt: string;
  /** Of an earlier attempt, whose answer may have been lost. */
  readonly rendered: RenderedObject | null;
  /** Whether it went before deliveries that have been due for longer, because its batch is new. */
  readonly isNewest: boolean;
}
