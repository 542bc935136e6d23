import type { Archive } from './archive.ts';
import { openBucket, type S3Source } from './bucket.ts';
import { openFolder } from './folder.ts';

/** Where an archive is. Plain data, so that it can be handed to a worker. */
export type ArchiveSource = { readonly kind: 'folder'; readonly folder: string } | S3Source;

export function openArchive(source: ArchiveSource): Archive {
  return source.kind === 'folder' ? openFolder(source.folder) : openBucket(source);
}
