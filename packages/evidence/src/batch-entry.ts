/*
 * The entry of a batch in the log: a canonical text, one for each finished batch. The order of the lines is fixed, each has
 * one blank, and the text ends in a newline. The same batch has one text only, so its bytes can be made again and hashed.
 */

/** What the log says about a batch. Times are RFC 3339 in UTC with six fraction digits; hashes are 64 hexadecimal digits. */
export interface BatchEntry {
  readonly origin: string;
  readonly index: number;
  /** The leaf hash of the entry before; zeros at 0. */
  readonly previous: string;
  /** Relative to the prefix, so that a copied folder can be checked anywhere. */
  readonly key: string;
  /** Whose events; null where a log has no tenants. */
  readonly tenant: string | null;
  readonly rows: number;
  /** Of the uncompressed NDJSON. */
  readonly bytes: number;
  readonly sha256: string;
  /** The root of the tree over the lines. */
  readonly lines: string;
  readonly objectBytes: number;
  readonly objectSha256: string;
  /** Event times. */
  readonly first: string;
  readonly last: string;
  readonly recordedFirst: string;
  readonly recordedLast: string;
  /** When the batch was numbered, by the database's clock. A claim. */
  readonly logged: string;
}

const title = 'auditbox-batch v1';
export const noPrevious = '0'.repeat(64);

export function formatBatchEntry(entry: BatchEntry): string {
  return `${title}
origin ${entry.origin}
index ${entry.index}
previous ${entry.previous}
key ${entry.key}
${entry.tenant === null ? '' : `tenant ${encodeURIComponent(entry.tenant)}\n`}rows ${entry.rows}
bytes ${entry.bytes}
sha256 ${entry.sha256}
lines ${entry.lines}
object-bytes ${entry.objectBytes}
object-sha256 ${entry.objectSha256}
first ${entry.first}
last ${entry.last}
recorded-first ${entry.recordedFirst}
recorded-last ${entry.recordedLast}
logged ${entry.logged}
`;
}

const [hash, count, time] = [
  '([0-9a-f]{64})',
  '(0|[1-9]\\d{0,15})',
  '(\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}Z)',
];
const form = new RegExp(
  `^${title}\\norigin (\\S+)\\nindex ${count}\\nprevious ${hash}\\nkey (\\S+)\\n(?:tenant (\\S+)\\n)?rows ${count}\\nbytes ${count}
sha256 ${hash}\\nlines ${hash}\\nobject-bytes ${count}\\nobject-sha256 ${hash}\\nfirst ${time}\\nlast ${time}
recorded-first ${time}\\nrecorded-last ${time}\\nlogged ${time}\\n$`,
);

/** Null for a text that `formatBatchEntry` does not make. */
export function parseBatchEntry(text: string): BatchEntry | null {
  const match = form.exec(text);
  if (match === null) return null;
  const field = (n: number) => match[n] ?? '';
  const entry = {
    origin: field(1),
    index: Number(field(2)),
    previous: field(3),
    key: field(4),
    tenant: match[5] === undefined ? null : decode(match[5]),
    rows: Number(field(6)),
    bytes: Number(field(7)),
    sha256: field(8),
    lines: field(9),
    objectBytes: Number(field(10)),
    objectSha256: field(11),
    first: field(12),
    last: field(13),
    recordedFirst: field(14),
    recordedLast: field(15),
    logged: field(16),
  };
  const times = [entry.first, entry.last, entry.recordedFirst, entry.recordedLast, entry.logged];
  const isWhole = times.every((time) => !Number.isNaN(Date.parse(time)));
  return isWhole && formatBatchEntry(entry) === text ? entry : null;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
