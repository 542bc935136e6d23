import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { cutListingError, noStoreError, type S3Error, stuckListingError } from './s3-error.ts';

type Page = Pick<ListObjectsV2CommandOutput, 'Name' | 'IsTruncated' | 'KeyCount' | 'Contents' | 'CommonPrefixes'>;

/**
 * What is wrong with a page of a listing that was asked for behind `after`; null when nothing is. The SDK reads a page that a proxy cut,
 * or that no store made, as a shorter page without an error. Then objects would seem to be missing.
 */
export function findListingError(page: Page, after: string): S3Error | null {
  const { Name, IsTruncated, KeyCount, Contents = [], CommonPrefixes = [] } = page;
  if (Name === undefined && IsTruncated === undefined && KeyCount === undefined) return noStoreError;
  const listed = Contents.length + CommonPrefixes.length;
  if (IsTruncated === undefined || (KeyCount ?? 0) > listed) return cutListingError;
  const isAgain = Contents.at(-1)?.Key === after || CommonPrefixes.at(-1)?.Prefix === after;
  return IsTruncated && isAgain ? stuckListingError : null;
}
