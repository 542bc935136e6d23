/** Who changes a key or a destination, for the audit event. Missing: the login of the session. */
export interface ChangedBy {
  readonly changedBy: string;
  readonly recordedBy: string;
}

/** As functions of the schema take it. */
export function printActor(by: ChangedBy | null): string {
  return JSON.stringify(by === null ? {} : { changed_by: by.changedBy, recorded_by: by.recordedBy });
}
