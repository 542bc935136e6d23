import type { Destination, Tools } from '@auditbox/destination-kit/destination.ts';
import type { z } from 'zod';

/** What one destination alone may use. */
export interface Claim {
  readonly key: string;
  readonly value: string;
}

/** Of the keys that every destination has, those that a type needs. */
interface TypeLimits {
  readonly timeoutMs: number;
}

/** A kind of destination: what may be configured, and how it is made. */
export interface DestinationType<Options extends z.ZodObject = z.ZodObject> {
  /** Keys of the entry in addition to those that every destination has. */
  readonly options: Options;
  /** Keys whose values no message shows. */
  readonly secrets: readonly string[];
  /** What no other destination may have too, such as a folder that is written to. The key is that of the entry. */
  claim?(options: z.output<Options>): Claim;
  /** Connects to nothing. Throws a sentence when the options are wrong. */
  create(options: z.output<Options>, tools: Tools, limits: TypeLimits): Destination | Promise<Destination>;
}
