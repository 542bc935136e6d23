import { readFrom, readObjectName, readTo, requireOrder } from '@auditbox/process/command-arguments.ts';
import { withCommands } from '@auditbox/process/with-commands.ts';
import { Command, InvalidArgumentError } from 'commander';
import { showHelpOfFirst } from './named-help.ts';

/** What `npm run doctor` was told to do. */
export interface DoctorCommand {
  readonly kind: 'doctor';
  readonly json: boolean;
  /** A transaction that is open for longer is reported. */
  readonly maxOpenS: number;
}

/** Which failed batches and rejected rows to send again. */
export interface ReplayCommand {
  readonly kind: 'replay';
  readonly occurredFrom: string | null;
  readonly occurredTo: string | null;
  readonly batchId: string | null;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** What `npm run retention` was told to do. */
export interface RetentionCommand {
  readonly kind: 'retention';
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** What `npm run exporter -- --verify` was told to do. */
export interface VerifyCommand {
  readonly kind: 'verify';
  readonly occurredFrom: string | null;
  readonly occurredTo: string | null;
  readonly repair: boolean;
  readonly json: boolean;
}

/** What `npm run exporter -- --evidence` was told to do. */
export interface EvidenceCommand {
  readonly kind: 'evidence';
  readonly object: { readonly tableName: string; readonly objectId: string } | null;
  readonly from: string | null;
  readonly to: string | null;
  /** The folder to make. */
  readonly output: string;
  readonly json: boolean;
}

/** What `npm run exporter -- --reconcile` was told to do. */
export interface ReconcileCommand {
  readonly kind: 'reconcile';
  readonly json: boolean;
}

/** What `npm run exporter` was told to do. */
export type ExporterCommand =
  | { readonly kind: 'run' }
  | { readonly kind: 'log' }
  | { readonly kind: 'drain' | 'make-bucket'; readonly json: boolean }
  | { readonly kind: 'check'; readonly json: boolean }
  | DoctorCommand
  | RetentionCommand
  | VerifyCommand
  | ReconcileCommand
  | EvidenceCommand
  | ReplayCommand;

interface Flags {
  readonly once?: true;
  readonly check?: true;
  readonly makeBucket?: true;
  readonly doctor?: true;
  readonly retention?: true;
  readonly maxOpen?: number;
  readonly replayFailed?: true;
  readonly verify?: true;
  readonly repair?: true;
  readonly reconcile?: true;
  readonly log?: true;
  readonly evidence?: true;
  readonly object?: EvidenceCommand['object'];
  readonly output?: string;
  readonly from?: string;
  readonly to?: string;
  readonly batch?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseCommand(argv: readonly string[]): ExporterCommand {
  if (argv.includes('--help') || argv.includes('-h')) showHelpOfFirst(argv[0]);
  const cli = new Command(withCommands('npm run exporter --'))
    .description('Exports audit events to S3. Without a flag it runs until it is stopped.')
    .option('--once', 'drain: export everything that is there without lingering, then exit')
    .option('--replay-failed', 'send failed batches and rejected rows again, then exit')
    .option(
      '--check',
      'try everything that exports need (credentials, bucket, database, clocks), print what is missing, then exit',
    )
    .option('--make-bucket', 'make the bucket unless it exists (not at AWS), then exit')
    .option(
      '--doctor',
      'print what is wrong with the database and the bucket and what to do, then exit; writes nothing',
    )
    .option('--retention', 'remove the months that are past AUDIT_RETENTION_DAYS and whole in the bucket, then exit')
    .option('--verify', 'compare the database with the bucket, both ways and row by row, then exit')
    .option('--repair', 'verify: send missing objects again; overwrites nothing')
    .option(
      '--reconcile',
      'bring a database that was restored from a backup together with the bucket; needs the owner of the schema, and no running exporter',
    )
    .option('--log', 'number, sign and publish the log of batches, and export nothing, until it is stopped')
    .option('--evidence', 'write events with their proofs into a folder that anyone can check, then exit')
    .option('--object <table/id>', 'evidence: events of this object', readObjectName)
    .option('--output <folder>', 'evidence: the folder to make')
    .option('--max-open <seconds>', 'doctor: how long a transaction may be open (default: 1800)', seconds)
    .option('--from <time>', 'replay, verify, evidence: events at or after this time, a date or RFC 3339', readFrom)
    .option('--to <time>', 'replay, verify, evidence: events at or before this time', readTo)
    .option('--batch <id>', 'replay: only this batch', batchId)
    .option('--dry-run', 'replay, retention: print what would be done, change nothing')
    .option(
      '--json',
      'print the result as one JSON object; the log of a process that runs on is JSON with this option and without it',
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 nothing is left, or everything works; 1 it could not be done, or a check fails; 2 something is left, or a check could not be done; 3 database and bucket differ.',
    )
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  const {
    once,
    check,
    makeBucket,
    doctor,
    retention,
    maxOpen,
    replayFailed,
    verify,
    repair,
    reconcile,
    log,
    evidence,
    object = null,
    output,
    from = null,
    to = null,
    batch = null,
    dryRun,
    json,
  } = cli.opts<Flags>();
  const isRange = from !== null || to !== null;
  if (isRange && !replayFailed && !verify && !evidence)
    cli.error('error: --from and --to need --replay-failed, --verify or --evidence');
  requireOrder(cli, { from, to });
  if ((object !== null || output !== undefined) && !evidence) cli.error('error: --object and --output need --evidence');
  if (batch !== null && !replayFailed) cli.error('error: --batch needs --replay-failed');
  if (repair && !verify) cli.error('error: --repair needs --verify');
  if (dryRun && !replayFailed && !retention) cli.error('error: --dry-run needs --replay-failed or --retention');
  if (maxOpen !== undefined && !doctor) cli.error('error: --max-open needs --doctor');
  if (
    [once, check, doctor, retention, makeBucket, replayFailed, verify, reconcile, evidence, log].filter(Boolean)
      .length > 1
  )
    cli.error(
      'error: --once, --check, --doctor, --retention, --make-bucket, --verify, --reconcile, --evidence, --log and --replay-failed exclude each other',
    );
  if (verify)
    return { kind: 'verify', occurredFrom: from, occurredTo: to, repair: repair === true, json: json === true };
  if (log) return { kind: 'log' };
  if (evidence) {
    if (output === undefined) return cli.error('error: --evidence needs --output');
    if (object === null && !isRange) cli.error('error: --evidence needs --object, --from or --to');
    return { kind: 'evidence', object, from, to, output, json: json === true };
  }
  if (reconcile) return { kind: 'reconcile', json: json === true };
  if (makeBucket) return { kind: 'make-bucket', json: json === true };
  if (doctor) return { kind: 'doctor', json: json === true, maxOpenS: maxOpen ?? 1800 };
  if (retention) return { kind: 'retention', dryRun: dryRun === true, json: json === true };
  if (check) return { kind: 'check', json: json === true };
  if (once) return { kind: 'drain', json: json === true };
  if (!replayFailed) return { kind: 'run' };
  return {
    kind: 'replay',
    occurredFrom: from,
    occurredTo: to,
    batchId: batch,
    dryRun: dryRun === true,
    json: json === true,
  };
}

function batchId(text: string): string {
  if (/^[1-9]\d{0,17}$/.test(text)) return text;
  throw new InvalidArgumentError('Expected the number of a batch.');
}

function seconds(text: string): number {
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number of seconds.');
}
