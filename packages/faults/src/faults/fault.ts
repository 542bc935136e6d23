import type { WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import type { Random } from '../random.ts';
import type { Scene } from '../scene/scene.ts';
import type { Writer } from '../scene/writer.ts';

/** What a fault works with. */
export interface Strike {
  readonly scene: Scene;
  /** Somebody writes all the time, before, during and after. */
  readonly writer: Writer;
  readonly random: Random;
  /** The day of the events. */
  readonly day: string;
  /** How long faults that last do so. */
  readonly holdMs: number;
  /** Recovery counts from here; else from the end of the strike. */
  recoveryBegins(): void;
  /** Tells the judge what he could not know. */
  testify(aftermath: Aftermath): void;
}

/** One way in which things go wrong. */
export interface Fault {
  readonly name: string;
  /** What happens, in a few words. */
  readonly about: string;
  /** It takes a store that lies, so a real one cannot be had for it. */
  readonly needsLies?: true;
  /** It takes a Postgres on a disk so small that it can be filled. */
  readonly needsSmallDisk?: true;
  /** How many of the rounds that were asked for are played, for faults that take long; 1 for all. */
  readonly share?: number;
  /** Settings of the exporters. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How large the events' values are, for a batch of several chunks; else a few hundred bytes. */
  readonly valueBytes?: number;
  /** Outbox rows are deleted after their export. */
  readonly prunes?: true;
  /** The store overwrites, so an object may be written twice. */
  readonly overwrites?: true;
  /** It cannot be one of several at once. */
  readonly alone?: true;
  /**
   * Lets it happen, once or several times; resolves the moment that it is over, and nothing hinders any more. Throws
   * when something is not as promised.
   */
  strike(strike: Strike): Promise<void>;
}

/** What the fault itself sent, and the ids of those that must stay in quarantine. */
export interface Aftermath {
  readonly sent: readonly WireEvent[];
  readonly quarantined: ReadonlySet<string>;
}

/** Something was not as promised while the fault lasted. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise';
}
