import type { Database } from '@auditbox/db/database/connect.ts';
import { listDestinations } from '@auditbox/db/export/destinations.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { findUnexported, lastOutboxId, type Unexported } from '@auditbox/db/export/unexported.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { Destination } from '../destinations/destination.ts';
import { type Gate, isBlocked } from '../destinations/gate.ts';
import { probeDestination } from '../destinations/probe.ts';
import type { SendLoop } from '../export/send-loop.ts';
import type { LogKeeper } from '../log/log-keeper.ts';
import type { ExporterLog } from '../log.ts';
import type { ExporterSettings } from '../settings.ts';

interface DrainParts {
  readonly settings: ExporterSettings;
  readonly db: Database;
  readonly destinationName: string;
  readonly destination: Destination;
  readonly gate: Gate;
  readonly sendLoop: SendLoop;
  readonly logKeeper: LogKeeper | null;
  readonly log: ExporterLog;
}

/** How often a drain checks whether anything is left, and logs that it is running. */
const checkEveryMs = 100;
const logEveryMs = 5_000;

/** When the store accepts nothing for this long, for any reason, the rest is left to the next drain. */
const giveUpAfterMs = 60_000;

/**
 * Seals without lingering, sends the batches, and ends when all rows that were recorded before its start are sent. Later
 * rows may be left to the next drain; otherwise it would never end next to a busy writer. Resolves to the exit code:
 * 0 nothing is left, and the log is published; 1 the destination refuses everything, or accepted nothing for a minute, or the
 * log is blocked; 2 failed batches or
 * rejected rows are left, the destination is paused, or it was told to stop.
 */
export async function drain(
  parts: DrainParts,
  { json }: { readonly json: boolean },
  shutdown: Shutdown,
): Promise<number> {
  const exitCode = await drainAndLog(parts, shutdown);
  if (!json) return exitCode;
  const left = await findUnexported(parts.db, {
    destination: parts.destinationName,
    upTo: await lastOutboxId(parts.db),
  });
  process.stdout.write(`${JSON.stringify({ ok: exitCode === 0, exitCode, left })}\n`);
  return exitCode;
}

async function drainAndLog(parts: DrainParts, shutdown: Shutdown): Promise<number> {
  const { logKeeper } = parts;
  if (logKeeper !== null && (await logKeeper.check(shutdown.taking)).kind !== 'done') return 1;
  const exitCode = await drainOutbox(parts, shutdown);
  if (logKeeper === null || exitCode === 1 || shutdown.taking.aborted) return exitCode;
  const logged = await logKeeper.pass(shutdown.taking, { isLast: true });
  return logged.kind === 'done' ? exitCode : 1;
}

async function drainOutbox(parts: DrainParts, { taking, working }: Shutdown): Promise<number> {
  const { db, gate, sendLoop, settings, log } = parts;
  const scope = { destination: parts.destinationName, upTo: await lastOutboxId(db) };
  const atStart = await findUnexported(db, scope);
  if (isExported(atStart)) return conclude(log, atStart);
  if (isBlocked(await probeDestination({ ...parts, bucket: settings.s3.bucket }, taking))) return 1;
  if (await isPaused(parts)) {
    log.drainPaused(parts.destinationName);
    return 2;
  }
  const finished = new AbortController();
  const sending = sendLoop.run({ taking: AbortSignal.any([taking, finished.signal]), working });
  let loggedAt = performance.now();
  try {
    while (!taking.aborted) {
      const { batches, repaired } = await sealBatches(db, { ...settings.seal, lingerMs: 0 });
      if (repaired) log.frontierRepaired();
      if (batches > 0) {
        sendLoop.wake();
        continue;
      }
      const left = await findUnexported(db, scope);
      if (isExported(left)) return conclude(log, left);
      if (gate.blockedReason !== null || gate.closedForMs > giveUpAfterMs) return 1;
      // Nothing is sent any more, so that it would never end.
      if (await isPaused(parts)) {
        log.drainPaused(parts.destinationName);
        return 2;
      }
      if (performance.now() - loggedAt > logEveryMs) {
        log.drainRunning();
        loggedAt = performance.now();
      }
      await sleep(checkEveryMs, taking);
    }
    log.drainStopped();
    return 2;
  } finally {
    finished.abort();
    await sending;
  }
}

async function isPaused({ db, destinationName }: DrainParts): Promise<boolean> {
  const known = await listDestinations(db);
  return known.some(({ name, isPaused: paused }) => name === destinationName && paused);
}

function isExported({ anyPending, anyInFlight }: Unexported): boolean {
  return !anyPending && !anyInFlight;
}

function conclude(log: ExporterLog, { failedDeliveries, rejectedRows }: Unexported): number {
  if (failedDeliveries === 0 && rejectedRows === 0) {
    log.drainFinished();
    return 0;
  }
  log.drainIncomplete({ failedDeliveries, rejectedRows });
  return 2;
}
