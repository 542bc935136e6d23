import { counted } from '@auditbox/core/text/counted.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { openLog } from '@auditbox/db/log/open-log.ts';
import { formatVerifierKey } from '@auditbox/evidence/signed-note.ts';
import { SigningError } from '@auditbox/evidence/signing-error.ts';
import { createReminder } from '@auditbox/process/reminder.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { Destination, DestinationError } from '../destinations/destination.ts';
import type { ExporterLog } from '../log.ts';
import type { Attestor } from './attest.ts';
import { createBucketComparison } from './find-ahead.ts';
import { findMissingFiles, type MissingFiles } from './find-missing-files.ts';
import { findUnknownLogFiles } from './find-unknown-files.ts';
import type { LogSettings } from './log-settings.ts';
import type { LogStore } from './log-store.ts';
import { numberPass } from './number-pass.ts';
import { publishLog } from './publish.ts';
import { createUnknownReport } from './report-unknown.ts';

/** `blocked`: a person must look. `unavailable`: the store could not be used; the next pass tries again. */
type PassOutcome =
  | { readonly kind: 'done'; readonly size: number }
  | { readonly kind: 'blocked'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** Keeps the log: numbers finished batches and publishes checkpoints. */
export interface LogKeeper {
  /**
   * Whether nothing may be sent to the bucket: it may have objects that the database does not know, so rows could be exported
   * twice. True until the bucket was compared.
   */
  readonly holdsExport: boolean;
  /**
   * Whether nothing may be sealed, or sent to another destination. True while the bucket is known to be ahead. At the start, a
   * bucket that cannot be compared is waited for, but not for long: it must not delay the other destinations.
   */
  readonly holdsSeal: boolean;
  /** A sentence, while a person must look; else null. */
  readonly blockedReason: string | null;
  /** Whether it is blocked because the bucket holds another log than the database. */
  readonly isForked: boolean;
  /** The newest size that each witness and the time-stamping authority attested, as this process saw it. */
  readonly attested: ReadonlyMap<string, number>;
  /** Compares database and bucket. */
  check(signal: AbortSignal): Promise<PassOutcome>;
  /** Compares, and, if this process signs, numbers everything that is done and publishes it. Throws DatabaseError. */
  pass(signal: AbortSignal, options?: { readonly isLast?: boolean }): Promise<PassOutcome>;
  /** The published files of the log that are missing in the bucket, or have other bytes. `repair` creates the missing ones. */
  findMissingFiles(signal: AbortSignal, options: { readonly repair: boolean }): Promise<MissingFiles>;
  /** Reports names in the folder of the log that no file of the log has. Null when the whole folder was listed. */
  findUnknownFiles(report: (path: string) => void, signal: AbortSignal): Promise<DestinationError | null>;
  /** Passes at each interval until `taking` is aborted. `seals`: this process also seals. */
  run(taking: AbortSignal, options: { readonly seals: boolean }): Promise<void>;
}

/** While the first comparison does not succeed, it is tried again after this long. */
const retryMs = 1_000;

/** After this long without a comparison, rows are sealed all the same. A store that works answers much sooner. */
const sealAnywayAfterMs = 10_000;

export function createLogKeeper({
  log,
  settings,
  attestor,
  ...parts
}: {
  readonly db: Database;
  readonly destination: Destination;
  readonly destinationName: string;
  readonly store: LogStore;
  readonly settings: LogSettings;
  /** Null: nobody else is asked about checkpoints. */
  readonly attestor: Attestor | null;
  readonly log: ExporterLog;
}): LogKeeper {
  const { origin, signer, previousSigner, intervalMs } = settings;
  const { db, destinationName, store } = parts;
  const name = { destination: destinationName, origin };
  const keys = [settings.key, ...(previousSigner === null ? [] : [previousSigner.key])];
  const comparison = createBucketComparison({ db, destination: destinationName, store, keys });
  const reportUnknown = createUnknownReport(log);
  const reminder = createReminder();
  let holdsExport = true;
  let blocked: { readonly reason: string; readonly isForked: boolean } | null = null;
  let sealsFrom = Number.POSITIVE_INFINITY;
  const isNotCompared = () => holdsExport && blocked === null;

  function block(reason: string, { holds, isForked = false }: { holds: boolean; isForked?: boolean }): PassOutcome {
    if (reminder.isDue(reason)) log.logBlocked({ reason });
    blocked = { reason, isForked };
    holdsExport = holds;
    return { kind: 'blocked', reason };
  }

  /** What was wrong is over. */
  function resume(): void {
    if (blocked !== null) log.logResumed();
    blocked = null;
    reminder.end();
  }

  async function check(signal: AbortSignal): Promise<PassOutcome> {
    const checked = await compare(signal);
    if (checked.kind === 'done') resume();
    return checked;
  }

  async function compare(signal: AbortSignal): Promise<PassOutcome> {
    const head = await openLog(db, name);
    if (head.origin !== origin) {
      const reason = `The log of this database is ${head.origin}, and EXPORT_LOG_ORIGIN is ${origin}. A log keeps its name: set it back, or export to another database and prefix.`;
      return block(reason, { holds: false });
    }
    const state = await comparison.compare(head, signal);
    if (state.kind === 'same' || state.kind === 'behind') reportUnknown(state.unknown);
    switch (state.kind) {
      case 'error':
        log.logUnavailable({ reason: state.message });
        return { kind: 'unavailable', reason: state.message };
      case 'ahead':
        return block(
          `The bucket has a signed checkpoint of ${counted(state.size, 'batch', 'batches')} that this database does not know: the database was restored from a backup. Nothing is exported, because rows could be exported twice. Run \`npm run exporter -- --reconcile\`.`,
          { holds: true },
        );
      case 'behind':
        return block(
          `The checkpoint of ${counted(state.size, 'batch', 'batches')} was published and is missing in the bucket. Find out who removed it; \`npm run exporter -- --verify --repair\` publishes it again.`,
          { holds: false },
        );
      case 'same':
        holdsExport = false;
        return { kind: 'done', size: head.size };
      default:
        return state satisfies never;
    }
  }

  async function pass(signal: AbortSignal, options: { readonly isLast?: boolean } = {}): Promise<PassOutcome> {
    const outcome = await tryToPublish(signal, options);
    if (outcome.kind === 'done') resume();
    if (outcome.kind === 'done' && signer !== null && attestor !== null)
      await attestor.attest(outcome.size, (await openLog(db, name)).now, signal);
    return outcome;
  }

  async function tryToPublish(signal: AbortSignal, options: { readonly isLast?: boolean }): Promise<PassOutcome> {
    try {
      return await publish(signal, options);
    } catch (error) {
      if (!(error instanceof SigningError)) throw error;
      if (error.isPermanent) return block(error.message, { holds: false });
      log.logUnavailable({ reason: error.message });
      return { kind: 'unavailable', reason: error.message };
    }
  }

  async function publish(signal: AbortSignal, { isLast = false }: { readonly isLast?: boolean }): Promise<PassOutcome> {
    const checked = await compare(signal);
    if (checked.kind !== 'done' || signer === null) return checked;
    await signer.check?.();
    await previousSigner?.check?.();
    const readUntil = isLast ? Number.POSITIVE_INFINITY : performance.now() + intervalMs / 2;
    const numbered = await numberPass({ ...parts, origin }, { readUntil }, signal);
    if (numbered.kind === 'error') {
      log.logUnavailable({ reason: numbered.message });
      return { kind: 'unavailable', reason: numbered.message };
    }
    for (const [batch, reason] of numbered.unlogged) log.batchNotLogged({ batch, reason });
    const head = await openLog(db, name);
    // Another exporter has just published; one checkpoint an interval is enough.
    const isEarly = !isLast && head.checkpointAgeMs !== null && head.checkpointAgeMs < intervalMs / 2;
    if (head.size === head.publishedSize || isEarly) return { kind: 'done', size: head.publishedSize };
    const published = await publishLog({ ...parts, signer, previousSigner }, head, signal);
    if (published.kind === 'error') {
      log.logUnavailable({ reason: published.message });
      return { kind: 'unavailable', reason: published.message };
    }
    if (published.kind === 'wrong key') return block(published.reason, { holds: false });
    if (published.kind === 'different')
      return block(
        `The file ${published.path} of the log has other bytes in the bucket than in the database. Another log was published under this prefix, or somebody wrote there.`,
        { holds: false, isForked: true },
      );
    log.checkpointPublished({ size: published.size });
    return { kind: 'done', size: published.size };
  }

  async function warnUncompared(taking: AbortSignal): Promise<void> {
    await sleep(sealAnywayAfterMs, taking);
    if (isNotCompared() && !taking.aborted) log.sealedUncompared();
  }

  return {
    get holdsExport() {
      return holdsExport;
    },
    get holdsSeal() {
      return holdsExport && (blocked !== null || performance.now() < sealsFrom);
    },
    get blockedReason() {
      return blocked?.reason ?? null;
    },
    get isForked() {
      return blocked?.isForked ?? false;
    },
    attested: attestor?.attested ?? new Map(),
    check,
    pass,
    findMissingFiles: async (signal, options) => findMissingFiles(parts, await openLog(db, name), options, signal),
    findUnknownFiles(report, signal) {
      const readSize = async () => (await openLog(db, name)).size;
      return findUnknownLogFiles({ db, destination: destinationName, store, keys, readSize }, report, signal);
    },
    async run(taking, { seals }) {
      log.logRunning({ origin, key: formatVerifierKey(settings.key), signs: signer !== null });
      sealsFrom = performance.now() + sealAnywayAfterMs;
      if (seals) void warnUncompared(taking);
      while (!taking.aborted) {
        try {
          await pass(taking);
        } catch (error) {
          if (!(error instanceof DatabaseError)) throw error;
          log.databaseUnavailable(error);
        }
        await sleep(isNotCompared() ? Math.min(retryMs, intervalMs) : intervalMs, taking);
      }
    },
  };
}
