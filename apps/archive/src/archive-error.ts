/** What the process exits with. Shown by `--help`. */
export const exitCodes = {
  done: 0,
  failed: 1,
  nothingFound: 2,
  altered: 3,
  refused: 4,
} as const;

/** The command ends here. The message is a sentence for people. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}
