import { type Compression, compressionByKey } from '@auditbox/core/export/compression.ts';
import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { copyBatchLines } from '@auditbox/db/export/copy-batch-lines.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { ExportMetrics } from '../metrics/export-metrics.ts';
import { createEncoder, type EncodedBody } from './encode.ts';
import type { Ledger } from './ledger.ts';
import { watchLease } from './watch-lease.ts';

/** What rendering works with. */
export interface RenderParts {
  readonly db: Database;
  readonly ledger: Ledger;
  readonly metrics: ExportMetrics;
  /** Of new objects. */
  readonly compression: Compression;
  /** Whether there is a log, which needs hashes of lines and objects. */
  readonly isLogged: boolean;
  /** Called whenever an attempt has made progress, for the liveness check. */
  readonly onProgress?: () => void;
}

/** `incomplete`: a row has no line, Postgres cannot read its data, or the stream ended early. */
export type Rendered =
  | { readonly kind: 'encoded'; readonly body: EncodedBody }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'lease lost' }
  | { readonly kind: 'interrupted' };

/**
 * Copies a delivery's lines out of Postgres into an object's body. A slow COPY extends its lease. The COPY is cancelled when
 * the lease is lost and when `signal` is aborted. Throws DatabaseError.
 */
export async function renderDelivery(
  { db, ledger, metrics, compression, isLogged, onProgress }: RenderParts,
  delivery: LeasedDelivery,
  signal: AbortSignal,
): Promise<Rendered> {
  // The object of an earlier attempt is compared with this one, so it keeps its compression.
  const encoder = createEncoder(delivery.rendered === null ? compression : compressionByKey(delivery.rendered.key), {
    isLogged,
  });
  const lost = new AbortController();
  const over = new AbortController();
  const watching = watchLease(ledger, delivery, lost, over.signal);
  const onChunk = (chunk: Buffer) => {
    encoder.add(chunk);
    onProgress?.();
    crashPoint('exporter while rendering');
  };
  try {
    const copy = () => copyBatchLines(db, delivery, onChunk, AbortSignal.any([signal, lost.signal]), encoder.isReady);
    const lines = await metrics.timed('render', copy);
    if (lines.kind === 'incomplete') return { kind: 'incomplete' };
    return { kind: 'encoded', body: await metrics.timed('compress', encoder.end) };
  } catch (error) {
    if (lost.signal.aborted) return { kind: 'lease lost' };
    if (signal.aborted) return { kind: 'interrupted' };
    if (error instanceof DatabaseError && error.kind === 'data') return { kind: 'incomplete' };
    throw error;
  } finally {
    over.abort();
    encoder.drop();
    await watching;
  }
}
