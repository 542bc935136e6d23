import type { FileVersion } from '../archive/archive.ts';
import { broken, type Finding } from '../finding.ts';

/**
 * Objects that another version or a delete marker hides. A lock protects a version, not the name, so the logged bytes may lie
 * beneath. Versions of a key follow each other in a listing. Resolves to how many versions were listed.
 */
export async function findShadowed(
  versions: AsyncIterable<FileVersion>,
  report: (finding: Finding) => void,
): Promise<number> {
  let last = '';
  let count = 0;
  let all = 0;
  for await (const { path, kind, isLatest } of versions) {
    all += 1;
    if (/(^|\/)_auditbox_/.test(path)) continue;
    count = path === last ? count + 1 : 1;
    last = path;
    if (kind === 'delete marker' && isLatest)
      report(broken('object-shadowed', path, 'A delete marker hides it. Its versions are still beneath.'));
    if (count === 2) report(broken('object-shadowed', path, 'It has several versions; it was written more than once.'));
  }
  return all;
}
