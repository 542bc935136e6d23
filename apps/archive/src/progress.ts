const everyMs = 2_000;

/** Writes how far a command is to standard error, every two seconds at most. */
export type Progress = (describe: () => string) => void;

export function createProgress(write: (text: string) => void): Progress {
  let shownAt = performance.now();
  return (describe) => {
    if (performance.now() - shownAt < everyMs) return;
    shownAt = performance.now();
    write(`${describe()}\n`);
  };
}
