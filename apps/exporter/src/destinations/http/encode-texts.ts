/**
 * Texts one after another, as UTF-8. They are written into one buffer, because joining them makes one long text first, which then is
 * copied and encoded wherever its bytes are needed: for the signature, for the length, for the socket.
 */
export function encodeTexts(texts: readonly string[]): Buffer {
  let bytes = 0;
  for (const text of texts) bytes += Buffer.byteLength(text);
  const buffer = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const text of texts) at += buffer.write(text, at, 'utf8');
  return buffer;
}
