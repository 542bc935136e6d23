/** Moments at which a process may die with the most to lose. The fault suite kills or stops processes right there. */
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
  | 'exporter in shutdown'
  | 'exporter between two prunes';

let strike: ((point: CrashPoint) => void) | null = null;

/** Says that the process has come to a point. Does nothing unless something was armed. */
export function crashPoint(point: CrashPoint): void {
  strike?.(point);
}

/** Calls `handler` at each point from now on. No setting leads here: only a module loaded before the app can call it. */
export function armCrashPoints(handler: (point: CrashPoint) => void): void {
  strike = handler;
}
