/**
 * The connection broke, or a proxy hid that it broke: rows are missing.
 *
 * @public for programs that catch it
 */
export class IncompleteExportError extends Error {
  override readonly name = 'IncompleteExportError';
  readonly code = 'AUDITBOX_INCOMPLETE_EXPORT';
}

const newline = 10;
/** The closing line is shorter, with a cursor too. */
const keptBytes = 1_000;

/**
 * Passes an export on without its closing line. `onEnd` is called with the cursor of the part after it, or null. The stream fails if the closing line is missing, or names another number of
 * rows than there are.
 */
export function checkExport(
  format: 'ndjson' | 'csv',
  onEnd: (nextCursor: string | null) => void = () => {},
): TransformStream<Uint8Array, Uint8Array> {
  let kept = new Uint8Array(0);
  let breaks = 0;
  return new TransformStream({
    transform(chunk, controller) {
      const all = new Uint8Array(kept.length + chunk.length);
      all.set(kept);
      all.set(chunk, kept.length);
      const end = Math.max(0, all.length - keptBytes);
      kept = all.slice(end);
      if (end === 0) return;
      const passed = all.subarray(0, end);
      breaks += countBreaks(passed);
      controller.enqueue(passed);
    },
    flush(controller) {
      const text = new TextDecoder('latin1').decode(kept);
      const closing = closingLines[format].exec(text);
      if (closing === null) throw new IncompleteExportError('The export has no closing line: rows are missing.');
      const rest = kept.subarray(0, closing.index);
      breaks += countBreaks(rest);
      // A value in CSV may hold line breaks, so there only the closing line counts.
      if (format === 'ndjson' && breaks !== Number(closing[1]))
        throw new IncompleteExportError(`The export has ${breaks} rows, and its closing line says ${closing[1]}.`);
      if (rest.length > 0) controller.enqueue(rest);
      onEnd(closing[2] ?? null);
    },
  });
}

/** An older api sends only the number of rows. Only an export of the archive has a cursor. */
const closingLines = {
  ndjson:
    /(?<=^|\n)\{"export_rows":(\d+)(?:,"record_begins_at":(?:null|"[^"]*"))?(?:,"next_cursor":(?:null|"([^"]*)"))?\}\n$/,
  csv: /(?<=\r\n)# (\d+) rows(?:; record_begins_at [^\r\n;]*)?(?:; next_cursor (?:none|([^\r\n;]*)))?\r\n$/,
} as const;

function countBreaks(bytes: Uint8Array): number {
  let breaks = 0;
  for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, at + 1)) breaks += 1;
  return breaks;
}
