/** The object of a batch. Recorded before the upload, so that a retry knows which object the earlier attempt may have left. */
export interface RenderedObject {
  readonly key: string;
  /** Hash of the uncompressed NDJSON, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Length of the compressed object. */
  readonly objectBytes: number;
}

/** What the log says about an object in addition to its key, hash and lengths. Both are 64 hexadecimal digits. */
export interface LoggedHashes {
  /** The root of the tree over the lines; null when the log is off. */
  readonly linesRoot: string | null;
  /** Of the compressed object; null when the log is off. */
  readonly objectSha256: string | null;
}

/** How far the export of an event has come. */
export type ExportState = 'pending' | 'sealed' | 'sending' | 'done' | 'failed' | 'rejected';
