import type { BatchEntry } from '../../evidence/src/batch-entry.ts';
import { counted } from '../../evidence/src/counted.ts';
import { logFolder } from '../../evidence/src/log-files.ts';
import type { VerifierKey } from '../../evidence/src/signed-note.ts';
import type { WitnessPolicy } from '../../evidence/src/witness-policy.ts';
import { type Archive, ArchiveError, liesIn, type UnreadPath } from './archive/archive.ts';
import { type ArchiveSource, openArchive } from './archive/open-archive.ts';
import { broken, type Finding, partly } from './finding.ts';
import { type Attested, checkAttestations } from './log/attestations.ts';
import { readEntries } from './log/entries.ts';
import { meetLogFile } from './log/meet-log-file.ts';
import { type WalkedLog, walkLog } from './log/walk-log.ts';
import { checkObjects } from './objects/check-objects.ts';
import { findShadowed } from './objects/find-shadowed.ts';
import { findTwice } from './objects/find-twice.ts';
import { createObjectIndex, type ObjectIndex } from './objects/object-index.ts';
import type { ArchiveSearch } from './receipts/receipt-search.ts';
import type { VerifyState } from './state.ts';

/** How deep a run looks. Each level includes the ones before. */
export const levels = ['log', 'head', 'content', 'events'] as const;
export type Level = (typeof levels)[number];

export interface VerifyRequest {
  readonly source: ArchiveSource;
  /** Folders of other archives, which have their own logs. Each ends with `/`. What this log does not name there is not its matter. */
  readonly without: readonly string[];
  readonly key: VerifierKey;
  /** Whose cosignatures count; null: cosignatures are not looked at. */
  readonly policy: WitnessPolicy | null;
  readonly level: Level;
  /** Of an earlier run; null without one. */
  readonly state: VerifyState | null;
  /** The share of objects, from 0 to 1, that is read again although an earlier run read them. */
  readonly sample: number;
  /** Null: receipts are not looked at. It is ended when the objects were read. */
  readonly receipts: ArchiveSearch | null;
  readonly report: (finding: Finding) => void;
  readonly onProgress: (text: string) => void;
}

/** What a run looked at. */
export interface Verified {
  readonly level: Level;
  readonly log: WalkedLog | null;
  readonly attested: Attested | null;
  /** Batches and events that the log names. */
  readonly objects: number;
  readonly rows: number;
  /** Objects and events that this run read. */
  readonly readObjects: number;
  readonly readRows: number;
  /** Objects that cannot be read, while others can. */
  readonly unreadObjects: number;
  /** Entries of the log that cannot be read or are wrong, so that nothing is known about their objects. */
  readonly unreadEntries: number;
  /** Of the objects that this run read: how many are locked now, and when the first lock ends. Null for an archive without locks. */
  readonly locks: { readonly objects: number; readonly until: string | null } | null;
  /** Objects that only an earlier run read. */
  readonly trustedObjects: number;
  /** Whether the archive has versions, and they were compared. */
  readonly comparedVersions: boolean;
  readonly broken: number;
  readonly partly: number;
  /** What a next run can begin with; null when something is broken, or the state of an earlier run is better. */
  readonly nextState: Omit<VerifyState, 'version' | 'by'> | null;
}

/** Checks an archive against its log. Throws ArchiveError when it cannot be read. */
export async function verifyArchive(request: VerifyRequest): Promise<Verified> {
  const { source, key, level, state, receipts } = request;
  const archive = openArchive(source);
  const counts = { broken: 0, partly: 0 };
  let isReadWhole = true;
  const unread = new Set<string>();
  const report = (finding: Finding) => {
    const { code, what, kind } = finding;
    if (code === 'unreadable' || code === 'log-file-unreadable') {
      // Several checks may meet the same file.
      if (unread.has(what)) return;
      unread.add(what);
    }
    counts[kind] += 1;
    if (code === 'unreadable' || code === 'event-twice') isReadWhole = false;
    request.report(finding);
  };
  const index = createObjectIndex();
  const log = await walkLog({
    ...{ archive, key, state, report },
    onProgress: ({ entries, size }) =>
      request.onProgress(`${entries} of ${counted(size, 'entry', 'entries')} of the log read.`),
    onEntry(entry) {
      const finding = index.add(entry);
      if (finding) report(finding);
    },
  });
  const attested = log && (await checkAttestations({ archive, log, policy: request.policy, state, report }));
  const about = {
    ...{ level, log, attested, objects: index.objects, rows: index.rows },
    unreadEntries: log === null ? 0 : log.checkpoint.size - index.entries,
  };
  const nothing = {
    ...about,
    readObjects: 0,
    readRows: 0,
    unreadObjects: 0,
    trustedObjects: 0,
    comparedVersions: false,
    locks: null,
  };
  if (log === null || level === 'log') {
    // Delete markers may hide the newest files of the log, or all of them. Then the log looks shorter.
    await compareVersions(archive, logFolder, report);
    return { ...nothing, ...counts, nextState: next(log, counts, 0, request) };
  }

  const listed = await compareListing(archive, index, log, { ...request, report, readsContent: level !== 'head' });
  const { comparedVersions } = listed;
  if (level === 'head')
    return {
      ...nothing,
      ...{ comparedVersions, unreadObjects: listed.unread.size },
      ...counts,
      nextState: next(log, counts, 0, request),
    };

  const { size } = log.checkpoint;
  const isThere = (place: number) => !listed.missing.has(place) && !listed.unread.has(place);
  const trusted = trustedSize(request);
  const isWanted = (place: number) =>
    isThere(place) && (place >= trusted || listed.changed.has(place) || Math.random() < request.sample);
  const entries = receipts
    ? withReceipts(readEntries(archive, log, isThere), receipts, isWanted)
    : readEntries(archive, log, isWanted);
  if (receipts && listed.unread.size > 0)
    for await (const entry of readEntries(archive, log, (place) => listed.unread.has(place))) receipts.skip(entry);
  const checked = await checkObjects(source, entries, {
    events: level === 'events',
    ...{ receipts, report },
    onProgress: ({ objects, rows, upTo }) =>
      request.onProgress(
        `${counted(objects, 'object')} with ${counted(rows, 'event')} read, up to entry ${upTo} of ${size} of the log.`,
      ),
  });
  if (level === 'events') {
    if (checked.suspects === null)
      report(partly('event-twice', 'all', 'There are too many events to look for ids that come twice.'));
    else {
      const again = (objects: number) =>
        request.onProgress(
          `${objects} of ${counted(checked.objects, 'object')} read again, for ids that seem to come twice.`,
        );
      await findTwice(source, readEntries(archive, log, isThere), checked.suspects, { report, onProgress: again });
    }
  }
  receipts?.end({ newestLogged: log.newestLogged, isWhole: about.unreadEntries === 0 });
  const unreadObjects = checked.unread + listed.unread.size;
  return {
    ...about,
    comparedVersions,
    ...{
      readObjects: checked.objects,
      readRows: checked.rows,
      unreadObjects,
      locks: source.kind === 's3' ? { objects: checked.locked, until: checked.lockedUntil } : null,
      trustedObjects: index.entries - checked.objects - unreadObjects - listed.missing.size,
    },
    ...counts,
    // What could not be read is tried again by the next run.
    nextState: next(log, counts, isReadWhole && about.unreadEntries === 0 ? size : trusted, request),
  };
}

/** The wanted entries, and those whose objects may hold an event with a receipt. */
async function* withReceipts(
  entries: AsyncIterable<BatchEntry>,
  search: ArchiveSearch,
  isWanted: (place: number) => boolean,
): AsyncIterable<BatchEntry> {
  for await (const entry of entries) if (isWanted(entry.index) || search.expectedIn(entry).length > 0) yield entry;
}

/** Places of entries. */
interface Listed {
  readonly missing: ReadonlySet<number>;
  /** They may be there: they, or their folders, cannot be looked at. */
  readonly unread: ReadonlySet<number>;
  readonly changed: ReadonlySet<number>;
  readonly comparedVersions: boolean;
}

/**
 * Level `head`: each object of the log is there with its length, once, and no other object is. Returns the entries whose
 * objects are missing, and those whose length is wrong: when content is read, that says more.
 */
async function compareListing(
  archive: Archive,
  index: ObjectIndex,
  log: WalkedLog,
  {
    report,
    onProgress,
    readsContent,
    without,
  }: Pick<VerifyRequest, 'report' | 'onProgress' | 'without'> & { readonly readsContent: boolean },
): Promise<Listed> {
  const { checkpoint, newestLogged } = log;
  const logged = newestLogged === null ? Number.POSITIVE_INFINITY : Date.parse(newestLogged);
  const known = { newestLogged: logged, isWhole: index.entries === checkpoint.size };
  const changed = new Set<number>();
  const unreadPaths: string[] = [];
  const isElsewhere = (path: string) => without.some((folder) => `${path}/`.startsWith(folder));
  const onUnread = ({ path, reason }: UnreadPath) => {
    unreadPaths.push(path);
    if (isElsewhere(path)) return;
    const isOfLog = path.startsWith(logFolder);
    report(partly(isOfLog ? 'log-file-unreadable' : 'unreadable', path, `Not checked. ${reason}`));
  };
  let files = 0;
  for await (const file of archive.list('', onUnread)) {
    files += 1;
    onProgress(`${counted(files, 'file')} listed.`);
    // Names that start with an underscore are the log's, and probes. Readers of the archive skip them.
    if (/(^|\/)_/.test(file.path)) {
      const strange = meetLogFile(file, { size: checkpoint.size, logged });
      if (strange !== null) report(strange);
      continue;
    }
    const found = index.meet(file, known);
    if (found === null) continue;
    if (found.index === null && isElsewhere(file.path)) continue;
    if (found.index !== null) changed.add(found.index);
    if (found.index === null || !readsContent) report(found.finding);
  }
  const missing = new Set(index.missing());
  const unread = new Set<number>();
  if (missing.size > 0) {
    for await (const { key, index: place } of readEntries(archive, log, (at) => missing.has(at))) {
      if (unreadPaths.some((path) => liesIn(path, key))) unread.add(place);
      else report(broken('object-missing', key, `Entry ${place} of the log names it.`));
    }
    for (const place of unread) missing.delete(place);
  }
  const reportHere = (finding: Finding) => {
    if (!isElsewhere(finding.what)) report(finding);
  };
  return { missing, unread, changed, comparedVersions: await compareVersions(archive, '', reportHere) };
}

/** A store with objects lists versions, or it cannot list them. */
async function compareVersions(archive: Archive, folder: string, report: (finding: Finding) => void): Promise<boolean> {
  if (archive.listVersions === null) return false;
  try {
    return (await findShadowed(archive.listVersions(folder), report)) > 0;
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    report(partly('object-shadowed', 'all objects', `Versions could not be listed: ${error.message}`));
    return false;
  }
}

/** Entries below it were read by an earlier run. The walk has shown that the log still begins with them. */
function trustedSize({ state, level }: VerifyRequest): number {
  return state !== null && levels.indexOf(state.level) >= levels.indexOf(level) ? state.contentSize : 0;
}

function next(
  log: WalkedLog | null,
  counts: { broken: number },
  contentSize: number,
  { level, state }: VerifyRequest,
): Verified['nextState'] {
  if (log === null || counts.broken > 0) return null;
  const { origin, size, root } = log.checkpoint;
  // The checkpoint that an earlier run saw cannot be read now.
  if (state !== null && size < state.size) return null;
  // A shallower run does not take away what a deeper one has read.
  const isDeeper = state !== null && levels.indexOf(state.level) > levels.indexOf(level);
  return {
    ...{ origin, size, root: root.toString('hex') },
    level: isDeeper ? state.level : level,
    contentSize: isDeeper ? state.contentSize : contentSize,
  };
}
