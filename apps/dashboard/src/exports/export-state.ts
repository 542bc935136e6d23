/** What `GET /exports` answers. */
export interface ExportState {
  readonly pending: { readonly rows: number; readonly oldest_age_seconds: number };
  readonly destinations: readonly DestinationState[];
}

interface Counts {
  readonly sealed: number;
  readonly sending: number;
  readonly failed: number;
}

export interface DestinationState {
  readonly name: string;
  /** Missing if there is one database. */
  readonly cell?: string;
  readonly is_paused: boolean;
  readonly oldest_age_seconds: number;
  readonly deliveries: Counts;
  readonly rows: Counts;
  readonly rejected_rows: number;
  readonly last_done_at: string | null;
  readonly retry: {
    readonly batch_id: string;
    readonly attempts: number;
    readonly error: string;
    readonly next_attempt_in_seconds: number;
  } | null;
  readonly hours: readonly ExportedHour[];
  readonly failed: readonly {
    readonly batch_id: string;
    readonly partition: string;
    readonly rows: number;
    readonly error: string;
  }[];
  readonly rejected: readonly { readonly event_id: string; readonly batch_id: string; readonly reason: string }[];
  readonly last_verify: { readonly age_seconds: number; readonly differences: number } | null;
  readonly log: {
    readonly size: number;
    readonly published_size: number;
    readonly oldest_unlogged_age_seconds: number;
  } | null;
}

export interface ExportedHour {
  readonly start: string;
  readonly objects: number;
  readonly rows: number;
  readonly bytes: number;
  readonly slowest_seconds: number;
}

/** How a destination is, in one word and one sentence. Decided here alone. */
export interface Health {
  readonly tone: 'good' | 'waiting' | 'bad';
  readonly word: string;
  readonly sentence: string;
}

const lateS = 60;
export const veryLateS = 15 * 60;

/** `ageS`: of the oldest event that has not arrived. */
export function judge(one: DestinationState, ageS: number): Health {
  if (one.is_paused)
    return { tone: 'waiting', word: 'Paused', sentence: 'Somebody paused it. Its batches are kept and wait.' };
  if (one.retry !== null && ageS > lateS)
    return {
      tone: 'bad',
      word: 'Stuck',
      sentence: 'It refuses the newest tries. Nothing is lost: each batch is tried again by itself until it arrives.',
    };
  if (one.deliveries.failed > 0 || one.rejected_rows > 0)
    return {
      tone: 'bad',
      word: 'Waits for a person',
      sentence: 'Some events cannot be delivered as they are. Everything else goes on.',
    };
  if (ageS > veryLateS)
    return { tone: 'bad', word: 'Far behind', sentence: 'Is an exporter running, and can it reach the destination?' };
  if (ageS > lateS)
    return { tone: 'waiting', word: 'Behind', sentence: 'It is catching up, or an exporter is missing.' };
  return { tone: 'good', word: 'Up to date', sentence: 'What was recorded is delivered within seconds.' };
}

/** With cells, each has a destination of the same name. */
export function titleOf({ name, cell }: Pick<DestinationState, 'name' | 'cell'>): string {
  return cell === undefined ? name : `${cell}/${name}`;
}
