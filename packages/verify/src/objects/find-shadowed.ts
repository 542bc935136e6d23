import type { FileVersion } from '../archive/archive.ts';
import { broken, type Finding } from '../finding.ts';

/**
 * Objects that another version or a delete marker hides. A lock protects a version, not the name, so the logged bytes may lie
 * beneath. Each is reported once. Versions of a key follow each other in a listing, and a page may repeat the last one of the page before.
 * Resolves to how many versions were listed.
 */
export async function findShadowed(
  versions: AsyncIterable<FileVersion>,
  report: (finding: Finding) => void,
): Promise<number> {
  let last: FileVersion | null = null;
  let reported = '';
  let all = 0;
  for await (const version of versions) {
    const { path, kind, isLatest } = version;
    all += 1;
    const isAgain = path === last?.path;
    const isOther = isAgain && version.id !== last?.id;
    last = version;
    if (/(^|\/)_auditbox_/.test(path) || reported === path) continue;
    const isMarker = kind === 'delete marker' && isLatest;
    if (!isMarker && !isOther && isLatest) continue;
    reported = path;
    const says = isMarker
      ? 'A delete marker hides it. Its versions may lie beneath.'
      : 'It has several versions; it was written more than once.';
    report(broken('object-shadowed', path, says));
  }
  return all;
}
