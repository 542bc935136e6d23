/** The object of a batch. Recorded before the upload, so that a retry knows which object the earlier attempt may have left. */
export interface RenderedObject {
  readonly key: string;
  /** Hash of the uncompressed NDJSON, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Length of the compressed object. */
  readonly objectBytes: number;
}

/** How far the export of an event has come. */
export type ExportState = 'pending' | 'sealed' | 'sending' | 'done' | 'failed' | 'rejected';
