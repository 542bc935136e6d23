import { counted } from '../../evidence/src/counted.ts';
import { printable } from '../../evidence/src/printable.ts';
import { formatVerifierKey } from '../../evidence/src/signed-note.ts';
import type { Finding } from './finding.ts';
import type { FoundReceipts } from './receipts/receipt-search.ts';
import type { Verified } from './verify-archive.ts';

/** The end of a run. 1 is for what could not be checked at all. */
export function exitCodeOf({ log, broken, partly }: Verified, findings: readonly Finding[]): 0 | 1 | 2 | 3 {
  const onlyNoCheckpoint =
    log === null && findings.every(({ code, kind }) => kind === 'partly' || code === 'checkpoint-missing');
  if (onlyNoCheckpoint) return 1;
  if (broken > 0) return 3;
  return partly > 0 ? 2 : 0;
}

/** A finding as a line: code, what it is about, and a sentence, separated by tabs. A stranger may have chosen the key. */
export function describeFinding({ code, what, says }: Finding): string {
  return `${code}\t${printable(what)}\t${printable(says)}\n`;
}

/** What was proven, what was not, and the verdict. `receipts` is null without receipts. */
export function describeRun(run: Verified, exitCode: number, receipts: FoundReceipts | null): string {
  const { log, objects, rows } = run;
  if (log === null)
    return 'There is no signed checkpoint, so nothing could be verified. Is it the folder that holds _log?\n';
  const { size, origin, root } = log.checkpoint;
  const lines = [
    `Log ${origin}: ${counted(size, 'batch', 'batches')}, root ${root.toString('base64')}, ${counted(log.checkpoints.length, 'checkpoint')}.`,
    `New checkpoints are signed by ${formatVerifierKey(log.newestKey)}.`,
    ...describeAttested(run),
    ...(log.newestLogged === null
      ? []
      : [
          `Its newest entry was logged ${describeAge(Math.max(0, (Date.now() - Date.parse(log.newestLogged)) / 1000))} ago.`,
        ]),
    `The log names ${counted(objects, 'object')} with ${counted(rows, 'event')}.`,
    ...describeReading(run),
    ...describeLocks(run),
    describeReceipts(receipts),
    ...(run.comparedVersions || run.level === 'log'
      ? []
      : ['Not proven: that no newer version or delete marker hides an object: no versions were there to compare.']),
    'Not proven: anything that happened after the newest checkpoint; that an event was ever handed in; that an event was sealed as',
    'it was handed in. Anyone who holds database, bucket and signing key can write another log: compare the root above with one that',
    'somebody else keeps, or use --state.',
    describeVerdict(exitCode),
  ];
  return `${lines.filter((line) => line !== '').join('\n')}\n`;
}

/** A sentence, or an empty text. */
export function describeReceipts(receipts: FoundReceipts | null): string {
  return receipts === null
    ? ''
    : `${receipts.found} of ${counted(receipts.events, 'event')} with a receipt ${receipts.found === 1 ? 'is in the archive as it was' : 'are in the archive as they were'} taken.`;
}

/** A sentence, or an empty text if nothing could be checked. */
export function describeVerdict(exitCode: number): string {
  return verdicts[exitCode] ?? '';
}

/** What `--json` prints of a run. */
export function toJson({ log, nextState: _, ...counts }: Verified) {
  const checkpoint = log && { ...log.checkpoint, root: log.checkpoint.root.toString('base64') };
  return { ...counts, checkpoint, newestLogged: log?.newestLogged ?? null };
}

function describeAttested({ attested }: Verified): string[] {
  const { cosigned, stamp } = attested ?? { cosigned: null, stamp: null };
  return [
    ...(cosigned === null || cosigned.by.length === 0
      ? []
      : [`Cosigned up to ${counted(cosigned.size, 'batch', 'batches')} by ${cosigned.by.join(', ')}.`]),
    ...(stamp === null
      ? []
      : [
          `An authority stamped ${counted(stamp.size, 'batch', 'batches')} at ${stamp.time}. Check its signature with \`openssl ts -verify\`; see docs/evidence.md.`,
        ]),
  ];
}

function describeReading(run: Verified): string[] {
  const { unreadObjects, unreadEntries } = run;
  const objects = `Not checked: objects that cannot be read (${unreadObjects}). Restore what is archived, and run this command again.`;
  const entries = `Not checked: objects whose entries in the log cannot be read or are wrong (${unreadEntries}).`;
  return [...describeRead(run), ...(unreadObjects === 0 ? [] : [objects]), ...(unreadEntries === 0 ? [] : [entries])];
}

/** Locks are the store's word. They show what can still be removed, and nothing about what was removed. */
function describeLocks({ locks, readObjects }: Verified): string[] {
  if (locks === null || readObjects === 0) return [];
  const unlocked = readObjects - locks.objects;
  return unlocked === 0
    ? [`All objects that were read are locked, the first until ${locks.until}.`]
    : [
        `Not proven: that nobody can remove an object: ${unlocked} of the ${readObjects} that were read are not locked.`,
      ];
}

function describeRead({ level, readObjects, readRows, trustedObjects }: Verified): string[] {
  if (level === 'log') return ['No object was looked at (--level log).'];
  if (level === 'head')
    return ['Names and lengths of the objects were compared; their content was not read (--level head).'];
  const read = `${counted(readObjects, 'object')} with ${counted(readRows, 'event')} ${readObjects === 1 ? 'was' : 'were'} read${level === 'events' ? ', each event too' : ''}.`;
  if (trustedObjects === 0) return [read];
  return [
    read,
    `${counted(trustedObjects, 'object was', 'objects were')} read by an earlier run; only names and lengths were compared now.`,
    ...(level === 'events'
      ? ['Not proven: that no event is in one of them and in an object of this run: use --full.']
      : []),
  ];
}

const verdicts: Readonly<Record<number, string>> = {
  0: 'HOLDS: nothing is missing, altered or added.',
  2: 'HOLDS IN PART: nothing that could be checked is missing, altered or added; see the lines above for what could not be.',
  3: 'BROKEN: see the lines above.',
};

function describeAge(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} seconds`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} minutes`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} hours` : `${Math.round(seconds / 86_400)} days`;
}
