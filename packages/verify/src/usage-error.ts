/** The command line is wrong. The message is a sentence. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
