import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';

/** A received object, or a received request of another destination. */
export interface Received {
  /** Time of arrival, in milliseconds since 1970. */
  readonly at: number;
  /** Number of rows according to the metadata. */
  readonly claimed: number;
  /** Null when bodies are not kept. */
  readonly body: Buffer | null;
  /** The body of an object without rows. */
  readonly file?: Buffer;
}

/** The content of all objects. */
export interface Tally {
  readonly objects: number;
  readonly lines: number;
  /** Number of distinct ids. */
  readonly ids: number;
  readonly bytes: number;
  /** Milliseconds from the recording of an event to its object, as percentiles. Null without events. */
  readonly lagMs: { readonly p50: number; readonly p99: number; readonly max: number } | null;
}

const gunzipAsync = promisify(gunzip);
const unzstdAsync = promisify(zstdDecompress);
/** The first two bytes (RFC 1952, 2.3.1). */
const gzipMagic = 0x1f8b;
/** The first four bytes of a frame (RFC 8878, 3.1.1). */
const zstdMagic = 0xfd2fb528;
const newline = 10;
const id = '"id":"';
const recordedAt = '"recorded_at":"';

/** Unpacks and counts every object. Relies on the id of the event being the first `id` of a line. */
export async function tally(received: readonly Received[]): Promise<Tally> {
  const ids = new Set<string>();
  const lags: number[] = [];
  let lines = 0;
  let bytes = 0;
  for (const { at, body } of received) {
    if (body === null) continue;
    bytes += body.length;
    for (const line of splitLines(await unpack(body))) {
      lines += 1;
      const idAt = line.indexOf(id) + id.length;
      ids.add(line.slice(idAt, idAt + 36));
      const from = line.lastIndexOf(recordedAt) + recordedAt.length;
      lags.push(at - Date.parse(line.slice(from, line.indexOf('"', from))));
    }
  }
  lags.sort((a, b) => a - b);
  const share = (part: number) => lags[Math.min(lags.length - 1, Math.floor(lags.length * part))] ?? 0;
  const objects = received.filter(({ claimed }) => claimed > 0).length;
  return {
    objects,
    lines,
    ids: ids.size,
    bytes,
    lagMs: lags.length === 0 ? null : { p50: share(0.5), p99: share(0.99), max: share(1) },
  };
}

async function unpack(body: Buffer): Promise<Buffer> {
  if (body.length < 4) return body;
  if (body.readUInt32LE() === zstdMagic) return unzstdAsync(body);
  return body.readUInt16BE() === gzipMagic ? gunzipAsync(body) : body;
}

function* splitLines(text: Buffer): Generator<string> {
  for (let from = 0; from < text.length; ) {
    const found = text.indexOf(newline, from);
    const end = found === -1 ? text.length : found;
    yield text.toString('utf8', from, end);
    from = end + 1;
  }
}
