import type { KeyBounds } from '@auditbox/core/keys/key-bounds.ts';
import type { Scope } from '@auditbox/core/keys/scopes.ts';
import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import type { ChangedBy } from '@auditbox/db/keys/changed-by.ts';
import type { Response } from 'express';

/** Who sent a request that auth let pass. */
export interface Caller {
  /** The id of the key; `master` for the master key. */
  readonly id: string;
  /** For people: the name of the key. */
  readonly name: string;
  /** What is stored as the writer of the caller's events: `key:<id>:<name>`. */
  readonly recordedBy: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly tenant: TenantScope;
  readonly bounds: KeyBounds;
  /** When its rights end, in milliseconds since 1970: a key that it makes ends by then. Null: never, or it is a person. */
  readonly expiresAtMs: number | null;
  /** Whether the caller could still begin this request. At most `maxAgeMs` old, by default a second; throws DatabaseError. */
  isStillValid(maxAgeMs?: number): Promise<boolean>;
}

/** The caller as the writer of audit events of its changes. */
export function actorOf({ name, recordedBy }: Caller): ChangedBy {
  return { changedBy: name, recordedBy };
}

/** Keeps the caller of a request that auth let pass, and when that was. */
export function setCaller(response: Response, caller: Caller): void {
  response.locals.caller = caller;
  response.locals.callerSince = performance.now();
}

/** The caller of a request, and when auth let it pass, by performance.now(). */
export function getCallerSince(response: Response): { readonly caller: Caller; readonly since: number } {
  return { caller: getCaller(response), since: response.locals.callerSince as number };
}

/** Keeps the hash of the key that a request sent, valid or not: it is made once. */
export function noteKeyHash(response: Response, keyHash: string): void {
  response.locals.keyHash = keyHash;
}

/** The hash of the key that auth saw; undefined for a request with a token of an issuer, or with nothing. */
export function getKeyHash(response: Response): string | undefined {
  return response.locals.keyHash as string | undefined;
}

/** The caller of a request that an auth handler let pass. */
export function getCaller(response: Response): Caller {
  return response.locals.caller as Caller;
}
