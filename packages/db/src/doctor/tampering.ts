/** Something in the schema that is not as the migrations made it. */
export interface Tampering {
  /** What is wrong, without a full stop: `the function seal has another body`. */
  readonly says: string;
  /** A statement that repairs it, or null. */
  readonly remedy: string | null;
}
