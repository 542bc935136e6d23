import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { Logger } from 'pino';
import { replayCommand } from './replay-command.ts';

/*
 * Everything that the exporter logs. `event` is stable: tests, the fault suite and the runbook refer to it. The sentence
 * is for people and may change.
 */

/** One attempt at a batch. */
interface AttemptFields {
  readonly destination: string;
  readonly batch: string;
  readonly partition: string;
  readonly rows: number;
  /** 1 for the first. */
  readonly attempt: number;
  /** How long the attempt took. */
  readonly ms: number;
}

/** What a reconciliation found. */
export interface ReconciledFields {
  /** Outbox rows that no batch and no gap had. */
  readonly lost: number;
  /** Events that had no outbox row. */
  readonly restored: number;
  /** Events whose id belongs to an event of another time. They are never exported. */
  readonly conflicting: number;
}

interface BucketFields {
  readonly bucket: string;
  readonly prefix: string;
}

/** The exporter's log: one function for each event. */
export type ExporterLog = ReturnType<typeof createExporterLog>;

/** Writes the events through `logger`. */
export function createExporterLog(logger: Logger) {
  const write = (
    level: 'debug' | 'info' | 'warn' | 'error' | 'fatal',
    event: string,
    fields: object,
    message: string,
  ) => logger[level]({ event, ...fields }, message);

  return {
    exporterRunning: (fields: { host: string; port: number }) =>
      write('info', 'exporter-running', fields, 'The exporter is running.'),
    exporterStopped: () => write('info', 'exporter-stopped', {}, 'The exporter has stopped.'),

    /** A statement of a loop failed; the loop tries again. */
    databaseUnavailable: ({ code, sentence }: DatabaseError) =>
      write('warn', 'database-unavailable', { code }, `${sentence} Trying again.`),
    /** The first check of the database failed; it is repeated. */
    databaseNotReady: (reason: string) => write('warn', 'database-not-ready', {}, `${reason} Trying again.`),
    /** `warning` is a sentence. */
    schemaDiffers: (warning: string) => write('warn', 'schema-differs', {}, warning),
    /** A command other than the running exporter gave up. */
    commandFailed: ({ code, sentence }: DatabaseError) => write('error', 'command-failed', { code }, sentence),

    bucketChecked: (fields: BucketFields) =>
      write('info', 'bucket-checked', fields, 'The bucket accepts new objects and does not overwrite existing ones.'),
    bucketUnusable: ({ reason, ...fields }: BucketFields & { code: string; reason: string }) =>
      write('error', 'bucket-unusable', fields, `The bucket cannot be used: ${reason}`),
    listPermissionMissing: (fields: BucketFields) =>
      write(
        'warn',
        'list-permission-missing',
        fields,
        'The credentials lack s3:ListBucket. S3 then answers 403 for a missing object, which can block a retry.',
      ),
    overwritesPossible: (fields: BucketFields) =>
      write(
        'warn',
        'overwrites-possible',
        fields,
        'The store ignores If-None-Match and would overwrite an object. A key names its content, so an overwrite can only write the same rows. For evidence, use a store that honours If-None-Match.',
      ),
    exportBlocked: (reason: string) =>
      write('error', 'export-blocked', { reason }, 'Export is blocked. Nothing is lost; it resumes without a restart.'),
    exportResumed: () => write('info', 'export-resumed', {}, 'The destination does not refuse every object any more.'),

    batchesSealed: (fields: { batches: number; rows: number }) =>
      write('debug', 'batches-sealed', fields, 'Batches were sealed.'),
    frontierRepaired: () =>
      write(
        'error',
        'frontier-repaired',
        {},
        'The frontier contradicted the batches and was made anew from them. Somebody changed it by hand, or the database was restored.',
      ),
    rowsReconciled: (fields: ReconciledFields) =>
      write(
        'error',
        'rows-reconciled',
        fields,
        'Rows were found that the export would never have reached. They are exported now, except the conflicting ones. Run `npm run doctor` to find the cause.',
      ),
    batchExported: (fields: AttemptFields & { key: string }) =>
      write('info', 'batch-exported', fields, 'The batch was exported.'),
    leaseLost: (fields: AttemptFields) =>
      write('warn', 'lease-lost', fields, 'The lease was lost. Another exporter has the batch.'),
    /** `reason` never quotes an event. */
    rowsRejected: (fields: AttemptFields & { rejected: number; reason: string }) =>
      write(
        'error',
        'rows-rejected',
        fields,
        `Rows were rejected and wait for \`${replayCommand(fields.destination)}\`. The other rows of the batch are exported.`,
      ),
    encodingRetried: ({ reason, ...fields }: AttemptFields & { reason: string }) =>
      write('warn', 'encoding-retried', fields, `The batch could not be encoded and will be tried again: ${reason}`),
    uploadRetried: ({ reason, ...fields }: AttemptFields & { code: string; delayMs: number; reason: string }) =>
      write('warn', 'upload-retried', fields, `The upload failed and will be tried again: ${reason}`),
    batchFailed: ({ reason, ...fields }: AttemptFields & { code: string; reason: string }) =>
      write('error', 'batch-failed', fields, `The batch failed and waits for --replay-failed: ${reason}`),

    /** By requests, to a destination other than S3. */
    batchDelivered: (fields: AttemptFields & { sent: number; rejected: number }) =>
      write('info', 'batch-delivered', fields, 'The destination has the batch.'),
    requestRetried: ({ reason, ...fields }: AttemptFields & { code: string; delayMs: number; reason: string }) =>
      write('warn', 'request-retried', fields, `A request failed and will be sent again: ${reason}`),
    destinationBlocked: ({ destination, reason }: { destination: string; reason: string }) =>
      write(
        'error',
        'destination-blocked',
        { destination, reason },
        'A destination refuses everything. Nothing is lost; deliveries resume without a restart.',
      ),
    destinationResumed: (fields: { destination: string }) =>
      write('info', 'destination-resumed', fields, 'The destination does not refuse every request any more.'),
    /** The message names each of them. */
    destinationsWrong: ({ message }: Error) => write('fatal', 'destinations-wrong', {}, message),
    destinationAdded: (fields: { destination: string; since: string | null }) =>
      write('info', 'destination-added', fields, 'A destination of the configuration was added to the database.'),
    destinationOrphaned: (fields: { destination: string }) =>
      write(
        'warn',
        'destination-orphaned',
        fields,
        'The database has a destination that is not in the configuration. Its deliveries wait. Remove it with `npm run destinations -- remove`.',
      ),
    destinationGone: (fields: { destination: string }) =>
      write(
        'warn',
        'destination-gone',
        fields,
        'Somebody removed a destination of the configuration from the database. It gets nothing. Remove its entry too, or restart the exporter to add it anew.',
      ),
    historyAdded: (fields: { destination: string }) =>
      write('info', 'history-added', fields, 'The history of a destination was added.'),
    destinationChecked: (fields: { destination: string }) =>
      write('info', 'destination-checked', fields, 'The destination works.'),
    destinationDoubtful: ({ says, ...fields }: { destination: string; says: string }) =>
      write('warn', 'destination-doubtful', fields, `A destination may not work: ${says}`),
    destinationLog: ({
      level,
      message,
      ...fields
    }: {
      destination: string;
      level: 'debug' | 'info' | 'warn' | 'error';
      message: string;
    }) => write(level, 'destination-log', fields, message),

    drainRunning: () => write('info', 'drain-running', {}, 'Draining: some batches are not exported yet.'),
    drainStopped: () => write('warn', 'drain-stopped', {}, 'Stopped before everything was exported.'),
    drainFinished: () => write('info', 'drain-finished', {}, 'Everything is exported.'),
    drainPaused: (destination: string) =>
      write('warn', 'drain-paused', { destination }, 'The destination is paused, so a drain cannot export to it.'),
    drainIncomplete: (fields: { failedDeliveries: number; rejectedRows: number }) =>
      write(
        'warn',
        'drain-incomplete',
        fields,
        'Failed batches or rejected rows are left. They wait for --replay-failed.',
      ),

    /** `key` is the verifier key that an auditor pins. */
    logRunning: ({ signs, ...fields }: { origin: string; key: string; signs: boolean }) =>
      write(
        'info',
        'log-running',
        fields,
        signs ? 'The log of batches is kept.' : 'The log of batches is on. Another process signs it (npm run log).',
      ),
    checkpointPublished: (fields: { size: number }) =>
      write('info', 'checkpoint-published', fields, 'A signed checkpoint of the log was published.'),
    attested: (fields: { by: string; size: number }) =>
      write('info', 'checkpoint-attested', fields, 'A checkpoint was attested by somebody else.'),
    /** Nothing waits for it; the next pass asks again. */
    notAttested: ({ reason, ...fields }: { by: string; size: number; reason: string }) =>
      write('warn', 'checkpoint-not-attested', fields, `A checkpoint was not attested: ${reason}`),
    witnessAhead: (fields: { by: string; size: number; seen: number }) =>
      write(
        'error',
        'witness-ahead',
        fields,
        'A witness saw a larger log of this name: the database was restored, or somebody else signs with the key.',
      ),
    batchNotLogged: ({ reason, ...fields }: { batch: string; reason: string }) =>
      write('error', 'batch-not-logged', fields, `A done batch cannot be logged: ${reason}`),
    /** The bucket could not be used; the next pass tries again. */
    logUnavailable: ({ reason }: { reason: string }) =>
      write('warn', 'log-unavailable', {}, `The log could not be published and will be tried again: ${reason}`),
    /** The store is away, or hangs, since the start. */
    sealedUncompared: () =>
      write(
        'warn',
        'sealed-uncompared',
        {},
        'The bucket could not be compared with the database yet. Nothing is sent to it until then. Events are sealed and sent to the other destinations.',
      ),
    /** They hold up nothing. */
    logFilesUnknown: (fields: { count: number; files: readonly { path: string; reason: string }[] }) =>
      write(
        'error',
        'log-files-unknown',
        fields,
        'Files lie in the folder of the log that are not files of the log. They are ignored. Find out who may write to the bucket, and remove them.',
      ),
    logBlocked: ({ reason }: { reason: string }) =>
      write('error', 'log-blocked', { reason }, `The log is blocked: ${reason}`),
    logResumed: () => write('info', 'log-resumed', {}, 'The log is not blocked any more.'),

    /** Its login is another process's, or has no role yet. */
    retentionForbidden: ({ code, sentence }: DatabaseError) =>
      write(
        'error',
        'retention-forbidden',
        { code },
        `${sentence} The login of retention must be a member of auditbox_retention. As the owner of the tables, run \`npm run migrate -- --roles\`, then \`grant auditbox_retention to LOGIN\` with its name.`,
      ),
    monthRemoved: (fields: { month: string; retentionDays: number; events: number; objects: number }) =>
      write('info', 'month-removed', fields, 'A month past its retention was removed from the database.'),
    monthKept: ({ reason, ...fields }: { month: string; retentionDays: number; reason: string }) =>
      write('error', 'month-kept', fields, `A month past its retention was kept: ${reason}`),
    metricsQueryFailed: (err: unknown) =>
      write('debug', 'metrics-query-failed', { err }, 'A query for the metrics failed.'),
  };
}

/** A loop survives a database error. Any other error is our own; it is thrown again and ends the process. */
export function logDatabaseError(log: ExporterLog, error: unknown): void {
  if (!(error instanceof DatabaseError)) throw error;
  log.databaseUnavailable(error);
}
