import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import type { S3Access, StoreError } from './s3-access.ts';
import {
  cutListingError,
  noStoreError,
  type S3Error,
  stuckListingError,
  toS3Error,
  unsortedListingError,
} from './s3-error.ts';

/** What is listed: the keys that begin with `prefix` and sort after `after`. */
interface Listing {
  readonly prefix: string;
  /** Empty: from the first key on. */
  readonly after: string;
  /** `folders`: what the keys have in front of the next slash, each once. */
  readonly shows: 'keys' | 'folders';
}

interface ListedName {
  readonly name: string;
  readonly bytes: number;
  /** Without its quotes. */
  readonly etag: string;
}

export type ListedPage =
  | { readonly kind: 'listed'; readonly names: readonly ListedName[]; readonly isLast: boolean }
  | StoreError;

/** A store may skip what was deleted, and return pages without a key. */
const mostEmptyPages = 1_000;

/**
 * The next names of a listing, in the order of S3: that of their bytes. A caller goes on behind the last one. A page without names is
 * not the end: its token leads on. A listing in another order, or one that goes on for ever, is an error, because then nobody can say
 * that all names were listed.
 */
export async function listPage(access: S3Access, listing: Listing, signal: AbortSignal): Promise<ListedPage> {
  const fail = (error: S3Error) => access.toDestinationError(error, 's3:ListBucket');
  const tokens = new Set<string>();
  for (let token: string | undefined; ; ) {
    let page: ListObjectsV2CommandOutput;
    try {
      page = await access.bounded(signal, (abortSignal) =>
        access.client.send(toCommand(access, listing, token), { abortSignal }),
      );
    } catch (thrown) {
      return fail(toS3Error(thrown));
    }
    const names = readNames(page, listing);
    if (!Array.isArray(names)) return fail(names);
    if (names.length > 0 || page.IsTruncated !== true)
      return { kind: 'listed', names, isLast: page.IsTruncated !== true };
    token = page.NextContinuationToken;
    if (!token || tokens.has(token) || tokens.size === mostEmptyPages) return fail(stuckListingError);
    tokens.add(token);
  }
}

function toCommand({ bucket }: S3Access, { prefix, after, shows }: Listing, token: string | undefined) {
  // The character behind the slash: a store may compare the mark with the keys in the folder.
  const start = shows === 'folders' ? `${after.slice(0, -1)}0` : after;
  return new ListObjectsV2Command({
    ...bucket,
    Prefix: prefix,
    // A key may have characters that XML does not allow.
    EncodingType: 'url',
    ...(shows === 'folders' && { Delimiter: '/' }),
    ...(token === undefined ? after !== '' && { StartAfter: start } : { ContinuationToken: token }),
  });
}

/**
 * The names of a page, or what is wrong with it. The SDK reads a page that a proxy cut, or that no store made, as a shorter page without an
 * error. Then objects would seem to be missing.
 */
function readNames(page: ListObjectsV2CommandOutput, { prefix, after, shows }: Listing): ListedName[] | S3Error {
  const { Name, IsTruncated, KeyCount, Contents = [], CommonPrefixes = [] } = page;
  if (Name === undefined && IsTruncated === undefined && KeyCount === undefined) return noStoreError;
  if (IsTruncated === undefined || (KeyCount ?? 0) > Contents.length + CommonPrefixes.length) return cutListingError;
  const decode = page.EncodingType === 'url' ? decodeName : (name: string) => name;
  const all =
    shows === 'folders'
      ? CommonPrefixes.map(({ Prefix = '' }) => ({ name: decode(Prefix), bytes: 0, etag: '' }))
      : Contents.map(({ Key = '', Size = 0, ETag = '' }) => ({
          name: decode(Key),
          bytes: Size,
          etag: ETag.replaceAll('"', ''),
        }));
  // Behind the last page nothing is asked for, so its order does not matter. The store of `npm start` sorts as people do.
  if (!IsTruncated) all.sort((a, b) => Buffer.from(a.name).compare(Buffer.from(b.name)));
  const names: ListedName[] = [];
  let last = Buffer.from(after);
  for (const one of all) {
    const bytes = Buffer.from(one.name);
    const order = last.compare(bytes);
    // Some stores begin with the mark, or list a name again.
    if (order === 0) continue;
    if (order > 0 || !one.name.startsWith(prefix)) return unsortedListingError;
    last = bytes;
    names.push(one);
  }
  return names;
}

/** `+` is a blank; a plus sign is always encoded. */
function decodeName(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '));
  } catch {
    return name;
  }
}
