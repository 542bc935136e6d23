import { names } from '../names.ts';
import { graphileWorker } from './graphile-worker/prefill.ts';
import { handWrittenLoop } from './hand-written-loop/prefill.ts';
import type { DrainPeer } from './peer.ts';
import { pgBoss } from './pg-boss/prefill.ts';
import { pgTransactionalOutbox } from './pg-transactional-outbox/prefill.ts';

/** With the share of the rows that each gets, so that a slow one ends too: what counts is the rate. */
export const drainPeers: readonly { readonly peer: DrainPeer; readonly share: number }[] = [
  { peer: handWrittenLoop, share: 1 },
  { peer: { ...handWrittenLoop, name: names.handWrittenQuickGzip, settings: { GZIP_LEVEL: '3' } }, share: 1 },
  { peer: pgBoss, share: 1 },
  { peer: graphileWorker, share: 0.5 },
  { peer: pgTransactionalOutbox, share: 0.1 },
];
