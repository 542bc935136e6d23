import type { SinkRefusal } from './destination.ts';

/** What a person wants to know of a store before it is relied on. Nothing here writes. */
export interface Inspector {
  /** What kind of credentials there are; never the credentials. */
  credentials(signal: AbortSignal): Promise<CredentialsKind | SinkRefusal>;
  bucket(signal: AbortSignal): Promise<BucketSeen>;
  versioning(signal: AbortSignal): Promise<VersioningState | SinkRefusal>;
  objectLock(signal: AbortSignal): Promise<ObjectLockState | SinkRefusal>;
  /** How an object is kept. */
  keeping(key: string, signal: AbortSignal): Promise<ObjectKeeping | { readonly kind: 'missing' } | SinkRefusal>;
}

interface CredentialsKind {
  readonly kind: 'found';
  /** In words. */
  readonly source: string;
  /** When they end, in ISO 8601; null for those that do not. */
  readonly expiresAt: string | null;
}

/** Also a refusal can tell the region, and the store's clock. */
export interface BucketSeen {
  readonly refusal: SinkRefusal | null;
  readonly region: string | null;
  /** By the store's clock, in ms since 1970; whole seconds. */
  readonly storeTimeMs: number | null;
}

interface VersioningState {
  readonly kind: 'known';
  readonly keepsVersions: boolean;
}

export interface ObjectLockState {
  readonly kind: 'known';
  readonly enabled: boolean;
  /** Such as "COMPLIANCE for 30 days"; null without one. */
  readonly defaultRetention: string | null;
}

export interface ObjectKeeping {
  readonly kind: 'found';
  /** As the store names it: AES256, aws:kms. Null where it says nothing. */
  readonly encryption: string | null;
  readonly kmsKey: string | null;
  readonly storageClass: string | null;
  readonly lockMode: string | null;
  readonly lockedUntil: string | null;
}
