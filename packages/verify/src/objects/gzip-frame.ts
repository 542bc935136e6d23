const fixedBytes = 10;

/** Where the compressed data of a gzip file begins (RFC 1952); null when it is not a gzip file. */
export function readGzipFrame(file: Buffer): { readonly start: number } | null {
  if (file.length < fixedBytes || file[0] !== 0x1f || file[1] !== 0x8b || file[2] !== 8) return null;
  const flags = file[3] ?? 0;
  let start = fixedBytes;
  if (flags & 4) start += 2 + (start + 2 <= file.length ? file.readUInt16LE(start) : 0);
  for (const flag of [8, 16]) {
    if (!(flags & flag)) continue;
    const end = file.indexOf(0, start);
    if (end === -1) return null;
    start = end + 1;
  }
  if (flags & 2) start += 2;
  return start <= file.length ? { start } : null;
}
