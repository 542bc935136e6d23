import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';

/** A place inside a value, such as `updated_values.limits.rpm`, and what must be there. */
export interface ValueAt {
  readonly column: 'before_value' | 'updated_values' | 'context';
  /** Names of members, or positions of elements. */
  readonly path: readonly string[];
  /** The text of a string; any other value as JSON. */
  readonly equals: string;
}

/** Every part that is given must match. Of several values of one part, one must match. */
export interface EventFilter {
  /** Whose events may match at all. */
  readonly tenant: TenantScope;
  readonly changedBy?: readonly string[] | undefined;
  readonly changedByPrefix?: string | undefined;
  /** The whole name in upper or lower case. */
  readonly changedByAnyCase?: string | undefined;
  readonly changedByApiKey?: readonly string[] | undefined;
  readonly action?: readonly string[] | undefined;
  readonly tableName?: readonly string[] | undefined;
  readonly objectId?: readonly string[] | undefined;
  readonly recordedBy?: readonly string[] | undefined;
  /** First and last event time, both inclusive; ISO 8601 in UTC. */
  readonly occurredFrom?: string | undefined;
  readonly occurredTo?: string | undefined;
  /** Event times from this one on are left out. */
  readonly occurredBefore?: string | undefined;
  /** Recorded time, exclusive; ISO 8601 in UTC. */
  readonly recordedAfter?: string | undefined;
  /** The member `team_id` of one of the two values, exactly. */
  readonly teamId?: string | undefined;
  /** The member `token` of one of the two values, exactly. */
  readonly keyHash?: string | undefined;
  /** An id of any kind: object, actor, API key, team or key hash. */
  readonly anyId?: string | undefined;
  /** Words and numbers, all of which must occur in the values. */
  readonly words?: string | undefined;
  readonly values?: readonly ValueAt[] | undefined;
}
