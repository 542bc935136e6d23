/**
 * Resolves when everything that was written to an output has reached its reader. A pipe takes 64 KiB; what waits in this process
 * behind that would be lost by `process.exit`. An error of the output has a handler, which ends the process.
 */
export function untilWritten(output: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => output.write('', (error) => void (error ? null : resolve())));
}
