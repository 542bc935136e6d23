/**
 * The bytes of a text in base64 (RFC 4648, section 4); no bytes for a text that is not how these bytes are written. Node
 * reads past what it does not know, and then one proof would have many texts, of which other readers refuse some.
 */
export function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : Buffer.alloc(0);
}
