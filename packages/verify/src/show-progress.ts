const progressEveryMs = 2_000;

/** Prints the newest progress every two seconds, on the channel of errors, while there is anything new. */
export function showProgress(): { readonly set: (text: string) => void; readonly end: () => void } {
  let newest = '';
  let shown = '';
  const timer = setInterval(() => {
    if (newest === shown) return;
    shown = newest;
    process.stderr.write(`${shown}\n`);
  }, progressEveryMs);
  const set = (text: string) => {
    newest = text;
  };
  return { set, end: () => clearInterval(timer) };
}
