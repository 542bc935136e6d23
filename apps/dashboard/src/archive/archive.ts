/** What `GET /archive` answers. */
export interface Archive {
  readonly month: string;
  readonly pending: { readonly rows: number; readonly oldest_age_seconds: number };
  readonly log: { readonly size: number; readonly published_size: number } | null;
  readonly last_verify: {
    readonly age_seconds: number;
    readonly objects: number;
    readonly differences: number;
  } | null;
  readonly partitions: readonly ArchivedHour[];
}

export interface ArchivedHour {
  readonly partition: string;
  readonly events: number;
  readonly objects: number;
  readonly bytes: number;
  readonly logged_objects: number;
  readonly verified_objects: number;
  readonly waiting_events: number;
  readonly oldest_waiting_age_seconds: number;
  readonly stuck_events: number;
}
