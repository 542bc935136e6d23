import { counted } from '@auditbox/core/text/counted.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import type { DoneDelivery } from '@auditbox/db/export/done-delivery.ts';
import { listDone } from '@auditbox/db/export/list-done.ts';
import { findUnexported, lastOutboxId } from '@auditbox/db/export/unexported.ts';
import { beginVerify, recordVerify } from '@auditbox/db/observe/last-verify.ts';
import { printable } from '@auditbox/evidence/printable.ts';
import type { VerifyCommand } from '../cli.ts';
import type { Destination } from '../destinations/destination.ts';
import { tryAgain } from '../destinations/try-again.ts';
import type { LogKeeper } from '../log/log-keeper.ts';
import type { LogStore } from '../log/log-store.ts';
import type { ExporterSettings } from '../settings.ts';
import { compareBatch } from '../verify/compare-batch.ts';
import { type Difference, difference } from '../verify/difference.ts';
import { findUnknown } from '../verify/find-unknown.ts';
import { repairObject } from '../verify/repair.ts';

interface VerifyParts {
  readonly settings: ExporterSettings;
  readonly db: Database;
  readonly destinationName: string;
  readonly destination: Destination;
  readonly store: LogStore;
  readonly logKeeper: LogKeeper | null;
}

const batchesPerPage = 200;

/** Differences that `--json` lists. Their numbers are always whole. */
const mostListed = 10_000;
const progressEveryMs = 5_000;

/**
 * Compares the database with the bucket both ways. With `--repair` it sends missing objects again. Resolves to the exit code:
 * 0 they are the same; 1 it could not be done; 2 rows are not exported yet, or some objects could not be read; 3 they differ.
 */
export async function verify(parts: VerifyParts, command: VerifyCommand, signal: AbortSignal): Promise<number> {
  const { settings, db, destinationName: destination } = parts;
  const found = { differences: [] as Difference[], open: 0, unread: 0, repaired: 0 };
  const report = (difference: Difference) => {
    if (difference.isRepaired) found.repaired += 1;
    else if (difference.code === 'object-unread') found.unread += 1;
    else if (difference.code !== 'rows-not-exported') found.open += 1;
    if (found.differences.length < mostListed) found.differences.push(difference);
    if (!command.json) process.stdout.write(describe(difference));
  };
  const range = { from: command.occurredFrom, to: command.occurredTo };
  const completeBefore = await beginVerify(db);
  let objects = 0;
  let shownAt = performance.now();
  for (let behind = '0'; ; ) {
    const page = await listDone(db, range, { destination, behind, most: batchesPerPage });
    const last = page.at(-1);
    if (last === undefined) break;
    behind = last.batchId;
    for (let at = 0; at < page.length; at += settings.send.concurrency) {
      const some = page.slice(at, at + settings.send.concurrency);
      const errors = await Promise.all(some.map((delivery) => verifyOne(parts, delivery, command, report, signal)));
      const error = errors.find((message) => message !== null);
      if (signal.aborted) return 1;
      if (error) return fail(error);
      objects += some.length;
      if (performance.now() - shownAt > progressEveryMs) {
        process.stderr.write(`${compared(objects)}\n`);
        shownAt = performance.now();
      }
    }
  }
  const unknown = await findUnknown({ ...parts, prefix: parts.destination.prefix }, range, report, signal);
  if (unknown !== null) return fail(unknown.message);
  const log = await verifyLog(parts, command, report, signal);
  if (log !== null) return fail(log);
  const left = await countUnexported(db, destination, report);
  // What was not read was not verified, so the metrics keep the last whole comparison.
  if (range.from === null && range.to === null && found.unread === 0)
    await recordVerify(db, { destination, objects, differences: found.open, completeBefore });
  return conclude(command, { ...found, objects, left });
}

/** Null, or why it could not be done. */
async function verifyOne(
  parts: VerifyParts,
  delivery: DoneDelivery,
  { repair }: VerifyCommand,
  report: (difference: Difference) => void,
  signal: AbortSignal,
): Promise<string | null> {
  const comparison = await tryAgain(() => compareBatch(parts, delivery, signal), signal);
  if (comparison.kind === 'error') return comparison.message;
  for (const found of comparison.differences) {
    if (found.code !== 'object-missing' || !repair) report(found);
    else {
      const problem = await repairObject(parts, delivery, signal);
      report({ ...found, isRepaired: problem === null, says: `${found.says} ${problem ?? 'It was created again.'}` });
    }
  }
  return null;
}

async function verifyLog(
  { logKeeper }: VerifyParts,
  { repair }: VerifyCommand,
  report: (difference: Difference) => void,
  signal: AbortSignal,
): Promise<string | null> {
  if (logKeeper === null) return null;
  const missing = await logKeeper.findMissingFiles(signal, { repair });
  if (missing.kind === 'error') return missing.message;
  for (const { path, reason } of missing.unread) report(difference('object-unread', path, reason));
  for (const path of missing.paths)
    report({
      ...difference('log-file-missing', path, 'A file of the log is missing or has other bytes.'),
      isRepaired: missing.isRepaired,
    });
  const unlisted = await logKeeper.findUnknownFiles(
    (path) =>
      report(difference('object-unknown', path, 'It lies in the folder of the log and is not a file of the log.')),
    signal,
  );
  return unlisted?.message ?? null;
}

async function countUnexported(
  db: Database,
  destination: string,
  report: (difference: Difference) => void,
): Promise<boolean> {
  const upTo = await lastOutboxId(db);
  const { anyPending, anyInFlight, failedDeliveries, rejectedRows } = await findUnexported(db, { destination, upTo });
  if (!anyPending && !anyInFlight && failedDeliveries === 0 && rejectedRows === 0) return false;
  const parts = [
    anyPending || anyInFlight ? 'rows wait for their export' : '',
    failedDeliveries > 0 ? `${counted(failedDeliveries, 'batch', 'batches')} failed` : '',
    rejectedRows > 0 ? `${counted(rejectedRows, 'row')} rejected` : '',
  ].filter((part) => part !== '');
  report(difference('rows-not-exported', destination, `Rows are in no object: ${parts.join(', ')}.`));
  return true;
}

interface Findings {
  readonly objects: number;
  readonly differences: readonly Difference[];
  readonly open: number;
  /** Objects that the store does not hand out: they are archived, or refused. */
  readonly unread: number;
  readonly repaired: number;
  /** Whether rows wait for their export. */
  readonly left: boolean;
}

function conclude({ json }: VerifyCommand, { objects, differences, open, unread, repaired, left }: Findings): number {
  const exitCode = open > 0 ? 3 : left || unread > 0 ? 2 : 0;
  if (json) process.stdout.write(`${JSON.stringify({ exitCode, objects, open, unread, repaired, differences })}\n`);
  else {
    const verdict = [
      compared(objects),
      ...(open > 0 ? [`${counted(open, 'difference')}.`] : []),
      ...(unread > 0
        ? [`${counted(unread, 'object')} could not be read: restore them, or permit the exporter to read them.`]
        : []),
      ...(open + unread === 0 ? ['Database and bucket are the same.'] : []),
      ...(repaired > 0 ? [`${repaired} repaired.`] : []),
    ];
    process.stdout.write(`${verdict.join(' ')}\n`);
  }
  return exitCode;
}

function compared(objects: number): string {
  return `${counted(objects, 'object')} compared.`;
}

function fail(message: string): number {
  process.stderr.write(`${message}\n`);
  return 1;
}

function describe({ code, what, says, remedy, isRepaired }: Difference): string {
  // A stranger may have chosen the key.
  return `${code}\t${printable(what)}\t${printable(says)}${isRepaired ? '' : ` ${remedy}`}\n`;
}
