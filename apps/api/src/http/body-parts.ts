/** A body as it arrives. */
interface BodyParts {
  add(part: Buffer): void;
  /** All parts as one buffer. */
  join(): Buffer;
}

/** This many small parts become one. */
const joinedAtOnce = 256;
/** The mean length of small parts. */
const smallPart = 1024;

/**
 * Keeps the parts of a body. A caller may send chunks of one byte, and a Buffer takes more than a hundred bytes whatever its length is,
 * so small parts are copied together.
 */
export function createBodyParts(): BodyParts {
  const parts: Buffer[] = [];
  /** The first parts, which were copied or are large. */
  let done = 0;
  let newBytes = 0;
  return {
    add(part) {
      parts.push(part);
      newBytes += part.length;
      if (parts.length - done < joinedAtOnce) return;
      if (newBytes < joinedAtOnce * smallPart) parts.push(Buffer.concat(parts.splice(done)));
      done = parts.length;
      newBytes = 0;
    },
    join: () => (parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)),
  };
}
