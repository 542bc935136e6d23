import { readdir } from 'node:fs/promises';
import { counted } from '@auditbox/core/text/counted.ts';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { TimeRange } from '../bucket/time-range.ts';
import { openObjectCache } from '../cache/object-cache.ts';
import type { CommandParts } from '../command-parts.ts';
import { interruptWith } from '../duckdb/interrupt-with.ts';
import { openDuckDb } from '../duckdb/open-duckdb.ts';
import { createEventsView } from './events-view.ts';
import { gatherFiles } from './gather-files.ts';

interface EventsOptions {
  readonly range: TimeRange;
  /** False reads the objects themselves, also where a compacted file has their events. */
  readonly usesParquet: boolean;
}

/** Fetches the events of a range and gives a connection that has them as the view `events`. */
export async function withEvents(
  { archive, settings, progress, signal }: CommandParts,
  { range, usesParquet }: EventsOptions,
  work: (connection: DuckDBConnection) => Promise<void>,
): Promise<void> {
  const { folder: root, maxBytes } = settings.cache;
  const cache = await openObjectCache(root, maxBytes);
  try {
    const duckdb = await openDuckDb({ folder: cache.folder, memoryMb: settings.memoryMb });
    try {
      const parquetPrefix = usesParquet ? settings.parquetPrefix : null;
      const { objects } = await gatherFiles(
        { archive, cache, duckdb, maxBytes, progress, parquetPrefix, signal },
        range,
      );
      progress(() => `Fetched ${counted(objects, 'object')}; running the statement.`);
      const connection = await duckdb.connect();
      const hasFiles = (await readdir(cache.folder)).some((name) => name.endsWith('.parquet'));
      await createEventsView(connection, cache.folder, hasFiles, range);
      const release = interruptWith(signal, connection);
      try {
        await work(connection);
      } finally {
        release();
      }
    } finally {
      duckdb.close();
    }
  } finally {
    await cache.close();
  }
}
