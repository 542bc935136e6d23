/** The states of an event's archived copy, one display word for each, decided here alone. */
export type ArchiveState = 'pending' | 'sealed' | 'sending' | 'done' | 'failed' | 'rejected';

interface Shown {
  readonly word: string;
  readonly tone: 'quiet' | 'waiting' | 'bad';
  readonly sentence: string;
}

export const archiveStates: Readonly<Record<ArchiveState, Shown>> = {
  pending: { word: 'waiting', tone: 'waiting', sentence: 'It waits for its batch.' },
  sealed: { word: 'waiting', tone: 'waiting', sentence: 'Its batch waits to be sent.' },
  sending: { word: 'sending', tone: 'waiting', sentence: 'Its batch is being sent.' },
  done: { word: 'archived', tone: 'quiet', sentence: 'It is in the archive.' },
  failed: { word: 'failed', tone: 'bad', sentence: 'Its batch failed. It waits for a person.' },
  rejected: { word: 'rejected', tone: 'bad', sentence: 'The archive cannot take this event. It waits for a person.' },
};

/** The archived copy of an event, as `GET /audit/:id` answers. */
export interface Archived {
  readonly state: ArchiveState;
  readonly object_key: string | null;
  readonly sha256: string | null;
  readonly exported_at: string | null;
}

/** How far an event is on its way to one destination, as `GET /audit/:id` answers. */
export interface Delivery {
  readonly destination: string;
  readonly state: ArchiveState;
  readonly delivered_at: string | null;
}
