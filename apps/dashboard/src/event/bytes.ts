/* Bytes as text. Node's Buffer does not exist in a browser. */

/** No bytes for a text that is not how these bytes are written, as in the auditor's command. */
export function fromBase64(text: string): Uint8Array {
  try {
    const binary = atob(text);
    return btoa(binary) === text ? Uint8Array.from(binary, (character) => character.charCodeAt(0)) : new Uint8Array();
  } catch {
    return new Uint8Array();
  }
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
