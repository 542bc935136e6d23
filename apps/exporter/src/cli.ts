import { lowerBound, upperBound } from '@auditbox/core/event/event-time.ts';
import { Command, InvalidArgumentError } from 'commander';

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

/** What `npm run exporter` was told to do. */
export type ExporterCommand =
  | { readonly kind: 'run' }
  | { readonly kind: 'drain' }
  | { readonly kind: 'make-bucket' }
  | { readonly kind: 'check'; readonly json: boolean }
  | DoctorCommand
  | RetentionCommand
  | ReplayCommand;

interface Flags {
  readonly once?: true;
  readonly check?: true;
  readonly makeBucket?: true;
  readonly doctor?: true;
  readonly retention?: true;
  readonly maxOpen?: number;
  readonly replayFailed?: true;
  readonly from?: string;
  readonly to?: string;
  readonly batch?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseCommand(argv: readonly string[]): ExporterCommand {
  const cli = new Command('npm run exporter --')
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
    .option('--max-open <seconds>', 'doctor: how long a transaction may be open (default: 1800)', seconds)
    .option('--from <time>', 'replay: events at or after this time, a date or RFC 3339', boundary(lowerBound))
    .option('--to <time>', 'replay: events at or before this time', boundary(upperBound))
    .option('--batch <id>', 'replay: only this batch', batchId)
    .option('--dry-run', 'replay, retention: print what would be done, change nothing')
    .option('--json', 'replay, check, doctor, retention: print the result as one JSON object')
    .addHelpText(
      'after',
      '\nExit codes: 0 nothing is left, or everything works; 1 it could not be done, or something required does not work; 2 something is left.',
    )
    .showHelpAfterError()
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
    from = null,
    to = null,
    batch = null,
    dryRun,
    json,
  } = cli.opts<Flags>();
  const selectors = [from, to, batch].some((value) => value !== null && value !== undefined);
  if (selectors && !replayFailed) cli.error('error: --from, --to and --batch need --replay-failed');
  if (dryRun && !replayFailed && !retention) cli.error('error: --dry-run needs --replay-failed or --retention');
  if (json && !replayFailed && !check && !doctor && !retention)
    cli.error('error: --json needs --replay-failed, --check, --doctor or --retention');
  if (maxOpen !== undefined && !doctor) cli.error('error: --max-open needs --doctor');
  if ([once, check, doctor, retention, makeBucket, replayFailed].filter(Boolean).length > 1)
    cli.error('error: --once, --check, --doctor, --retention, --make-bucket and --replay-failed exclude each other');
  if (makeBucket) return { kind: 'make-bucket' };
  if (doctor) return { kind: 'doctor', json: json === true, maxOpenS: maxOpen ?? 1800 };
  if (retention) return { kind: 'retention', dryRun: dryRun === true, json: json === true };
  if (check) return { kind: 'check', json: json === true };
  if (once) return { kind: 'drain' };
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

function boundary(read: (text: string) => string | null): (text: string) => string {
  return (text) => {
    const instant = read(text);
    if (instant === null)
      throw new InvalidArgumentError('Expected a date (2026-07-03) or an RFC 3339 time with an offset.');
    return instant;
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
