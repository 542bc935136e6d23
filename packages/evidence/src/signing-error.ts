/** A key could not sign. The message is a sentence. */
export class SigningError extends Error {
  override readonly name = 'SigningError';
  /** A person must change something. Else the same may succeed later. */
  readonly isPermanent: boolean;

  constructor(message: string, { isPermanent, cause }: { readonly isPermanent: boolean; readonly cause?: unknown }) {
    super(message, { cause });
    this.isPermanent = isPermanent;
  }
}
