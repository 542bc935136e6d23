const form = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Whether a text is a W3C `traceparent` of version 00, the only version that exists. */
export function isTraceparent(text: string): boolean {
  return form.test(text);
}
