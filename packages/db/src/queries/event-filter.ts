/** A place inside a value: `updated_values.limits.rpm`. */
export interface ValueAt {
  readonly column: 'before_value' | 'updated_values' | 'context';
  /** Names of members, or positions of elements. */
  readonly path: readonly string[];
  /** A text as it is, anything else as its JSON. */
  readonly equals: string;
}

/** Which events: each part that is given must hold; of several values of one part, any. */
export interface EventFilter {
  readonly changedBy?: readonly string[] | undefined;
  readonly changedByPrefix?: string | undefined;
  readonly changedByApiKey?: readonly string[] | undefined;
  readonly action?: readonly string[] | undefined;
  readonly tableName?: readonly string[] | undefined;
  readonly objectId?: readonly string[] | undefined;
  /** First and last event time, both included; ISO 8601 in UTC. */
  readonly occurredFrom?: string | undefined;
  readonly occurredTo?: string | undefined;
  /** Recorded times, not included; ISO 8601 in UTC. */
  readonly recordedAfter?: string | undefined;
  readonly recordedBefore?: string | undefined;
  /** The member `team_id` of one of the two values, exactly. */
  readonly teamId?: string | undefined;
  /** The member `token` of one of the two values, exactly. */
  readonly keyHash?: string | undefined;
  /** An id of whatever kind: object, actor, API key, team or key hash. */
  readonly anyId?: string | undefined;
  /** Words and numbers that all stand somewhere in the values. */
  readonly words?: string | undefined;
  readonly values?: readonly ValueAt[] | undefined;
}
