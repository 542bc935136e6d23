/** The moments at which the death of a process is most dangerous. The fault suite kills or stops processes there. */
export type CrashPoint =
  | 'api before the write'
  | 'api after the commit'
  | 'exporter before the seal'
  | 'exporter after the seal'
  | 'exporter after the lease'
  | 'exporter while rendering'
  | 'exporter before the upload'
  | 'exporter after the upload'
  | 'exporter after the mark'
  | 'exporter after a request'
  | 'exporter in shutdown'
  | 'exporter between two blocks of the reconciliation'
  | (typeof logCrashPoints)[number]
  | 'log before an attestation is stored';

/** Those of a pass over the log, in its order. */
export const logCrashPoints = [
  'log before the numbering',
  'log after the numbering',
  'log after a tile',
  'log after the root',
  'log after the note',
  'log after the checkpoint',
] as const;

let strike: ((point: CrashPoint) => void) | null = null;

/** Reports that the process has reached a point. Does nothing unless a handler is armed. */
export function crashPoint(point: CrashPoint): void {
  strike?.(point);
}

/** Calls `handler` at each point from now on. No setting does this. Only a module that is loaded before the app can call it. */
export function armCrashPoints(handler: (point: CrashPoint) => void): void {
  strike = handler;
}
