const form = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Whether a text names a span as W3C Trace Context has it, in the one version that there is. */
export function isTraceparent(text: string): boolean {
  return form.test(text);
}
