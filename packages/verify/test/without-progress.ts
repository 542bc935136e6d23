const progress = /^\d+ (of \d+ entr(y|ies)|files? listed|objects? with|of \d+ objects?).*\.\n/gm;

/** What a run says on the channel of errors, without its progress, which only a slow machine sees. */
export function withoutProgress(stderr: string): string {
  return stderr.replaceAll(progress, '');
}
