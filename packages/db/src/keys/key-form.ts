import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/*
 * Keys have the form `abx_<env>_<32 random characters><6 characters of checksum>`, in base62. The prefix lets scanners of
 * repositories find a leaked key, and the checksum lets the api reject a mistyped or invented key without the database.
 */

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const randomLength = 32;
const checksumLength = 6;
/** The largest multiple of 62 in a byte. Larger bytes are thrown away, so that every character is equally likely. */
const fairBytes = 248;

/** `env` says where a key belongs, such as `live` or `test`. */
export const keyEnvironmentForm = /^[a-z][a-z0-9]{0,11}$/;
const keyForm = /^abx_[a-z][a-z0-9]{0,11}_[0-9A-Za-z]{38}$/;
/** Keys that were made before this form existed. */
const oldKeyForm = /^ab_[A-Za-z0-9_-]{43}$/;

/** Makes a key with 190 random bits. */
export function makeApiKey(env: string): string {
  let random = '';
  while (random.length < randomLength) {
    for (const byte of randomBytes(randomLength))
      if (byte < fairBytes && random.length < randomLength) random += alphabet[byte % alphabet.length];
  }
  const body = `abx_${env}_${random}`;
  return body + checksum(body);
}

/** Whether a text can be a key. False for a key of the new form with a wrong checksum. */
export function isApiKeyForm(text: string): boolean {
  if (oldKeyForm.test(text)) return true;
  if (!keyForm.test(text)) return false;
  return checksum(text.slice(0, -checksumLength)) === text.slice(-checksumLength);
}

/** The hash that stands for a key in the database. */
export function hashApiKey(key: string): string {
  return hash('sha256', key);
}

/** The beginning of a key, which may be shown: with it a leaked key can be matched with its row. */
export function apiKeyPrefix(key: string): string {
  return key.slice(0, 'abx_live_1234'.length);
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let n = 0; n < checksumLength; n += 1) {
    digits = alphabet[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return digits;
}
