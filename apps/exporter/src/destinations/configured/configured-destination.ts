import type { Destination, Tools } from '@auditbox/destination-kit/destination.ts';
import type { Selection } from '../../export/requests/sent-as.ts';
import type { Claim } from './destination-type.ts';

/** A destination of the configuration. */
export interface ConfiguredDestination {
  readonly name: string;
  readonly type: string;
  readonly selection: Selection;
  /** What of the past it gets when it is added. Null is nothing; a null `since` is everything. */
  readonly history: { readonly since: string | null } | null;
  /** Null leaves it to the database. */
  readonly paused: boolean | null;
  readonly concurrency: number;
  readonly timeoutMs: number;
  /** What no other destination may have too. */
  readonly claim: Claim | null;
  /** Connects to nothing. Throws a sentence when the options are wrong. */
  readonly create: (tools: Tools) => Promise<Destination>;
}

/** What the environment says about destinations other than S3. */
export interface DestinationsSettings {
  /** Of the file and the variables, also those that this process does not serve. */
  readonly all: readonly ConfiguredDestination[];
  /** Those that this process serves. */
  readonly served: readonly ConfiguredDestination[];
  readonly servesS3: boolean;
}
