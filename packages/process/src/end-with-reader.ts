/** What a shell reports about a command whose reader has gone: 128 and the number of SIGPIPE. */
const brokenPipe = 141;

/**
 * Ends the process when its output cannot be written. A reader that has gone, as in `… | head -1`, needs no words. Anything else,
 * such as a full disk, is named on standard error. Nobody must take a part of the output for the whole, so the exit code is not 0.
 */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(brokenPipe);
    process.stderr.write(`The output cannot be written: ${error.message}.\n`);
    process.exit(1);
  });
  // The result is what counts, and it may have another reader.
  process.stderr.on('error', () => {});
}
