import { call } from '../http/call.ts';

/** How a download goes. `incomplete`: rows are missing, and nothing is saved. */
export type DownloadState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly bytes: number }
  | { readonly kind: 'saved'; readonly rows: number }
  | { readonly kind: 'incomplete'; readonly reason: string };

/**
 * Downloads all matching events. The parts go into blobs, which a browser keeps outside of the page's memory. The api ends the
 * file with a line that counts the rows; a file without that line is not whole and is not saved. The saved file is without it.
 */
export async function downloadEvents(
  query: string,
  format: 'csv' | 'ndjson',
  onProgress: (state: DownloadState) => void,
  signal: AbortSignal,
): Promise<void> {
  const search = new URLSearchParams(query);
  search.set('format', format);
  search.set('closing_line', 'true');
  if (format === 'csv') search.set('bom', 'true');
  const response = await call(`/audit/export?${search}`, { signal });
  const parts: Blob[] = [];
  let received = 0;
  let tail: Uint8Array = new Uint8Array();
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    parts.push(new Blob([part.value]));
    received += part.value.length;
    const joined = new Uint8Array(tail.length + part.value.length);
    joined.set(tail);
    joined.set(part.value, tail.length);
    tail = joined.slice(-200);
    onProgress({ kind: 'running', bytes: received });
  }
  const end = readClosingLine(new TextDecoder().decode(tail), format);
  if (end === null) {
    onProgress({ kind: 'incomplete', reason: 'The connection ended before the last row. Nothing was saved.' });
    return;
  }
  const file = new Blob(parts).slice(0, received - end.bytes);
  save(file, `audit-events-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${format}`);
  onProgress({ kind: 'saved', rows: end.rows });
}

/** Both forms of the line have one byte for each character. */
function readClosingLine(tail: string, format: 'csv' | 'ndjson'): { rows: number; bytes: number } | null {
  const form =
    format === 'ndjson'
      ? /\{"export_rows":(\d+)(?:,"record_begins_at":(?:null|"[^"]*"))?\}\r?\n$/
      : /# (\d+) rows(?:; record_begins_at [^\r\n]*)?\r?\n$/;
  const [line, rows] = form.exec(tail) ?? [];
  return line === undefined ? null : { rows: Number(rows), bytes: line.length };
}

function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
