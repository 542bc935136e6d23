import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { type BegunRequests, beginRequests } from '@auditbox/db/export/begin-requests.ts';
import { type Settled, type SettleResult, settleRows } from '@auditbox/db/export/settle-rows.ts';
import { createLedger, type Ledger } from '../ledger.ts';

/** The state of the deliveries of a destination that takes requests. */
export interface RequestLedger extends Omit<Ledger, 'recordObject' | 'markDone' | 'reject'> {
  /** Null means that the lease is lost. */
  begin(delivery: LeasedDelivery, sentAs: string): Promise<BegunRequests | null>;
  settle(delivery: LeasedDelivery, settled: Settled): Promise<SettleResult>;
}

export function createRequestLedger(...parameters: Parameters<typeof createLedger>): RequestLedger {
  const [db] = parameters;
  const ledger = createLedger(...parameters);
  return {
    ...ledger,
    begin: (delivery, sentAs) => beginRequests(db, delivery, sentAs),
    settle: (delivery, settled) => settleRows(db, delivery, settled, ledger.leaseMs),
  };
}
