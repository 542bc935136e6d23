/*
 * Time stamps of RFC 3161: what is sent to an authority, and what its answer says. The authority's signature is not checked
 * here; `openssl ts -verify` does that with the authority's certificates.
 */

/** What an answer says. `imprint` is the SHA-256 that was stamped; `time` is ISO 8601 in UTC. */
export type TimestampAnswer =
  | { readonly kind: 'stamped'; readonly imprint: Buffer; readonly time: string; readonly nonce: Buffer | null }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'unreadable' };

const tags = { boolean: 0x01, integer: 0x02, octets: 0x04, oid: 0x06, time: 0x18, sequence: 0x30 };

const sha256Algorithm = Buffer.from('300d06096086480165030402010500', 'hex');
const signedDataType = '2a864886f70d010702';
const stampType = '2a864886f70d0109100104';

/** A TimeStampReq. The first bit of `nonce` must be 0, so that it is a positive number, and its first byte must not be 0. */
export function formatTimestampRequest(imprint: Buffer, nonce: Buffer): Buffer {
  const version = encode(tags.integer, Buffer.of(1));
  const hashed = encode(tags.sequence, sha256Algorithm, encode(tags.octets, imprint));
  const wantsCertificate = encode(tags.boolean, Buffer.of(0xff));
  return encode(tags.sequence, version, hashed, encode(tags.integer, nonce), wantsCertificate);
}

/** Reads a TimeStampResp. */
export function parseTimestampAnswer(bytes: Buffer): TimestampAnswer {
  const [answer] = children(bytes);
  const [status, token] = children(answer?.body);
  const [code] = children(status?.body);
  if (code?.tag !== tags.integer || code.body.length !== 1) return { kind: 'unreadable' };
  const granted = code.body[0] ?? 0;
  // 0: granted. 1: granted with changes.
  if (granted > 1) return { kind: 'refused', status: granted };
  const [, imprint, , time, ...rest] = children(findStamp(token)).slice(1);
  const [, hash] = children(imprint?.body);
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z$/.exec(time?.body.toString('latin1') ?? '') ?? [];
  if (time?.tag !== tags.time || hash?.tag !== tags.octets || year === undefined) return { kind: 'unreadable' };
  return {
    kind: 'stamped',
    imprint: hash.body,
    time: `${year}-${month}-${day}T${hour}:${minute}:${second}Z`,
    nonce: rest.find(({ tag }) => tag === tags.integer)?.body ?? null,
  };
}

/** The TSTInfo inside of a token. */
function findStamp(token: Element | undefined): Buffer | undefined {
  const [type, wrapped] = children(token?.body);
  if (type?.body.toString('hex') !== signedDataType) return undefined;
  const [signed] = children(wrapped?.body);
  const content = children(signed?.body).find(({ tag, body }) => tag === tags.sequence && isStamp(body));
  const [, octets] = children(content?.body);
  const [stamp] = children(children(octets?.body)[0]?.body);
  return stamp?.body;
}

function isStamp(body: Buffer): boolean {
  const [type] = children(body);
  return type?.tag === tags.oid && type.body.toString('hex') === stampType;
}

interface Element {
  readonly tag: number;
  readonly body: Buffer;
}

/** The elements that DER bytes consist of, up to the first that is cut off. */
function children(bytes: Buffer | undefined): Element[] {
  const found: Element[] = [];
  for (let at = 0; bytes !== undefined && at + 2 <= bytes.length; ) {
    const first = bytes[at + 1] ?? 0;
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    if (lengthBytes > 4 || at + 2 + lengthBytes > bytes.length) break;
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    const start = at + 2 + lengthBytes;
    if (start + length > bytes.length) break;
    found.push({ tag: bytes[at] ?? 0, body: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

function encode(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length > 127) throw new TypeError('A request is short.');
  return Buffer.concat([Buffer.of(tag, body.length), body]);
}
