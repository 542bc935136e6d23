import type { WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import type { Random } from '../random.ts';
import type { Scene } from '../scene/scene.ts';
import type { Writer } from '../scene/writer.ts';

/** Everything that a fault can use. */
export interface Strike {
  readonly scene: Scene;
  /** Writes events before, during and after the fault. */
  readonly writer: Writer;
  readonly random: Random;
  /** The day of the events. */
  readonly day: string;
  /** Duration of faults that last. */
  readonly holdMs: number;
  /** Number of events in the history that a new destination gets. */
  readonly historyRows: number;
  /** The recovery time starts now. Without this call it starts at the end of the strike. */
  recoveryBegins(): void;
  /** Gives the judge facts that it cannot see from outside. */
  testify(aftermath: Aftermath): void;
}

/** One kind of failure. */
export interface Fault {
  readonly name: string;
  /** A short description, for the table. */
  readonly about: string;
  /** Needs the S3 proxy, which can fake errors and responses. Not playable on a real store. */
  readonly needsLies?: true;
  /** Needs a Postgres on a small disk that can be filled. */
  readonly needsSmallDisk?: true;
  /** Needs a Postgres whose clock can be set. */
  readonly needsServerClock?: true;
  /** Inserts a history, which a round is given more time for. */
  readonly needsHistory?: true;
  /** Share of the requested rounds that is played, for slow faults. Default: 1. */
  readonly share?: number;
  /** Additional settings of the exporters. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A destination other than S3: its entry in the configuration, without name and url. The scene has its receiver. */
  readonly destination?: Readonly<Record<string, unknown>>;
  /** Size of the events' values, to make batches of several chunks. Default: a few hundred bytes. */
  readonly valueBytes?: number;
  /** The store ignores If-None-Match, so an object may be written twice. */
  readonly overwrites?: true;
  /** Cannot be combined with other faults. */
  readonly alone?: true;
  /**
   * Causes the fault, once or several times. Resolves when the fault is over and the processes can recover. Throws when a
   * promise is broken.
   */
  strike(strike: Strike): Promise<void>;
}

/** Events that the fault itself sent, and the ids of events that must stay rejected. */
export interface Aftermath {
  readonly sent: readonly WireEvent[];
  readonly rejected: ReadonlySet<string>;
  /** Ids of events that the fault inserted in bulk. Only the number of their copies is judged. */
  readonly inserted?: ReadonlySet<string>;
}

/** A promise was broken during the fault. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise';
}
