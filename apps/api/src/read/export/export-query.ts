import type { Checked } from '@auditbox/core/event/audit-event.ts';
import { z } from 'zod';
import type { CursorList } from '../cursor.ts';
import { filterParameters, orderParameters } from '../parameters.ts';
import { readSearch } from '../read-search.ts';
import { toFilter } from '../to-filter.ts';
import { type ExportFormat, exportFormats } from './export-events.ts';

/** The parameters of `GET /audit/export`. */
export function exportParameters(actions: readonly string[]) {
  const format = z.enum(exportFormats, `must be ${exportFormats.join(' or ')}`).optional();
  return z.strictObject({
    ...filterParameters(actions),
    ...orderParameters,
    format: format.describe('`ndjson` or `csv`; without it, what `Accept` asks for, else `ndjson`.'),
  });
}

/** Reads the query of `GET /audit/export`. Oldest first, unless asked otherwise. */
export function exportQueryReader(
  actions: readonly string[],
): (search: URLSearchParams) => Checked<CursorList & { readonly format: ExportFormat | null }> {
  const parameters = exportParameters(actions);
  return (search) => {
    const read = readSearch(parameters, search);
    if (!read.ok) return read;
    const { named, values } = read.value;
    const order = { by: named.sort_by ?? 'updated_at', direction: named.sort_order ?? 'asc' } as const;
    return { ok: true, value: { filter: toFilter(named, values), order, format: named.format ?? null } };
  };
}
