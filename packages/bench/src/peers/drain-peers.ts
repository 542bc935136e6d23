import { names } from '../names.ts';
import { graphileWorker } from './graphile-worker/prefill.ts';
import { handWrittenLoop } from './hand-written-loop/prefill.ts';
import type { DrainPeer } from './peer.ts';
import { pgBoss } from './pg-boss/prefill.ts';
import { pgTransactionalOutbox } from './pg-transactional-outbox/prefill.ts';

/** The alternatives. `share` reduces the number of rows for slow ones, so that a run ends; only the rate is compared. */
export const drainPeers: readonly { readonly peer: DrainPeer; readonly share: number }[] = [
  { peer: handWrittenLoop, share: 1 },
  { peer: { ...handWrittenLoop, name: names.handWrittenQuickGzip, settings: { GZIP_LEVEL: '3' } }, share: 1 },
  { peer: pgBoss, share: 1 },
  { peer: graphileWorker, share: 0.5 },
  { peer: pgTransactionalOutbox, share: 0.1 },
];
