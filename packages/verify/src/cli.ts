import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { VerifierKey } from '../../evidence/src/signed-note.ts';
import type { WitnessPolicy } from '../../evidence/src/witness-policy.ts';
import type { ArchiveSource } from './archive/open-archive.ts';
import { type NamedKey, readCell, readKey, readNamedKey, readPolicy, readReceiptKeys } from './given-keys.ts';
import type { ReceiptRequest } from './receipts/read-receipts.ts';
import { UsageError } from './usage-error.ts';
import { type Level, levels } from './verify-archive.ts';

/** What the command was told to do. */
export type Command =
  | ({ readonly kind: 'archive'; readonly json: boolean } & OneArchive & ArchiveOptions)
  | ({ readonly kind: 'cells'; readonly json: boolean; readonly cells: readonly CellArchive[] } & ArchiveOptions)
  | {
      readonly kind: 'event';
      readonly eventFile: string;
      readonly proofFile: string;
      readonly key: VerifierKey;
      readonly json: boolean;
    }
  | { readonly kind: 'pack'; readonly folder: string; readonly key: VerifierKey; readonly json: boolean }
  | (NamedKey & { readonly json: boolean })
  | {
      readonly kind: 'tlog';
      readonly source: ArchiveSource;
      readonly folder: string;
      readonly key: VerifierKey;
      readonly json: boolean;
    }
  | { readonly kind: 'help' };

/** An archive, and what its log is checked with. */
export interface OneArchive {
  readonly source: ArchiveSource;
  /** Folders of other archives in it, each with `/` at its end. */
  readonly without?: readonly string[];
  readonly key: VerifierKey;
  /** Null: cosignatures are not looked at. */
  readonly policy: WitnessPolicy | null;
  readonly stateFile: string | null;
}

/** The archive of one of several cells. */
export interface CellArchive extends OneArchive {
  /** The name of the cell. If its objects are not in a folder of the cell: that of its log. */
  readonly name: string;
  /** Such as `cell=ash/`, or empty. */
  readonly folder: string;
}

/** How archives are checked. */
export interface ArchiveOptions {
  readonly level: Level;
  /** Read everything again, whatever the state file says. */
  readonly full: boolean;
  readonly sample: number;
  /** Null: receipts are not looked at. */
  readonly receipts: ReceiptRequest | null;
}

/** Minutes. As long as an object may be in the bucket before the log names it. */
const defaultReceiptDelay = 60;

export const help = (command: string) => `${command} --from-folder DIR --key KEY [options]
${command} --s3 BUCKET [--prefix audit_logs/] --key KEY [options]
${command} --from-folder DIR --cell NAME=KEY --cell NAME=KEY [options]
${command} --event FILE --proof FILE --key KEY
${command} --pack DIR --key KEY
${command} --public-key FILE --name NAME

Checks an archive of audit events against its signed log: whether anything is missing, altered or added.
Needs no Postgres and no network for a folder.

  --from-folder DIR   the folder that holds dt=… and _log
  --s3 BUCKET         a bucket; credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
                      AWS_REGION, and S3_ENDPOINT for another store
  --prefix TEXT       what the keys of the bucket start with
  --key KEY           the log's verifier key (name+id+base64), or a file that holds it
  --cell NAME=KEY     the cell whose objects are in cell=NAME, and the verifier key of its log; again for each cell.
                      With --key too: the cell whose objects are in no such folder. Receipts are looked for in all
                      of them, and each has its own state file, such as FILE.NAME
  --policy FILE       whose cosignatures of the checkpoints are needed (C2SP tlog-policy)
  --level LEVEL       log: the tree and its signatures; head: each object is there, and no other;
                      content: every byte of every object (default); events: every line too
  --state FILE        what was verified, for the next run: it then reads only new objects, and sees
                      a log that became shorter or another one. Keep it where the exporter cannot write
  --sample SHARE      also read this share of old objects again, such as 1%
  --full              read everything again
  --receipts PATH     receipts that the api gave to writers: a file or a folder. Each event must be in the archive
                      as it was taken. Needs --receipt-key, and the level content or events
  --receipt-key KEY   the verifier key of the receipts, or a file with one or more, each on a line
  --receipt-delay MIN how long after an event the log may name it (60); until then a missing one is only named
  --tlog DIR          write the log as a folder for Go's sumdb tools and Tessera's fsck
  --event FILE        a line of an object, or what GET /audit/:id/proof was asked for
  --proof FILE        the proof of that line (.tlog-proof)
  --pack DIR          check each event of an evidence pack (made by --evidence of the exporter)
  --public-key FILE   print the verifier key of an Ed25519 public key (PEM or DER), with the name of --name
  --json              print one JSON object

Exit codes: 0 all of it was checked and holds; 1 it could not be checked; 2 it holds, but a part could not be
checked; 3 it is broken.
`;

/** Throws UsageError. */
export function parseCommand(argv: readonly string[], environment: NodeJS.ProcessEnv): Command {
  const options = parse(argv);
  if (options.help || argv.length === 0) return { kind: 'help' };
  const json = options.json === true;
  if (options['public-key'] !== undefined) return { ...readNamedKey(options['public-key'], options.name), json };
  if (options.event !== undefined || options.proof !== undefined) {
    if (options.event === undefined || options.proof === undefined)
      throw new UsageError('--event and --proof are given together.');
    return { kind: 'event', eventFile: options.event, proofFile: options.proof, key: readOnlyKey(options), json };
  }
  if (options.pack !== undefined) return { kind: 'pack', folder: options.pack, key: readOnlyKey(options), json };
  if (options.tlog !== undefined)
    return {
      ...{ kind: 'tlog', key: readOnlyKey(options), source: readSource(options, environment) },
      ...{ folder: options.tlog, json },
    };
  const cells = (options.cell ?? []).map(readCell);
  const key = cells.length > 0 && options.key === undefined ? null : readKey(options.key);
  const source = readSource(options, environment);
  const level = levels.find((one) => one === (options.level ?? 'content'));
  if (level === undefined) throw new UsageError(`--level is ${options.level}; it must be ${levels.join(', ')}.`);
  const how = {
    ...{ level, json },
    full: options.full === true,
    sample: readShare(options.sample),
    receipts: readReceiptRequest(options, level),
  };
  const stateFile = options.state ?? null;
  const whole = key && { source, key, policy: readPolicy(options.policy, key), stateFile };
  if (cells.length === 0 && whole !== null) return { kind: 'archive', ...whole, ...how };
  const archives = cells.map(({ name, key: ofCell }): CellArchive => {
    const folder = `cell=${name}/`;
    return {
      ...{ name, folder, key: ofCell, source: enterFolder(source, folder) },
      policy: readPolicy(options.policy, ofCell),
      stateFile: stateFile && `${stateFile}.${name}`,
    };
  });
  const without = archives.map(({ folder }) => folder);
  if (whole !== null) archives.unshift({ ...whole, name: whole.key.name, folder: '', without });
  const twice = without.find((folder, at) => without.indexOf(folder) < at);
  if (twice !== undefined) throw new UsageError(`--cell is given twice for ${twice.slice('cell='.length, -1)}.`);
  const same = archives.find(({ key: one }, at) => archives.findIndex((other) => other.key.name === one.name) < at);
  if (same) throw new UsageError(`Two cells have the key of the log ${same.key.name}. Each cell has its own log.`);
  return { kind: 'cells', cells: archives, ...how };
}

/** The key of a command that is about one log. */
function readOnlyKey(options: ReturnType<typeof parse>): VerifierKey {
  if (options.cell !== undefined)
    throw new UsageError('--cell is for checking archives. Give the key of one log with --key.');
  return readKey(options.key);
}

function enterFolder(source: ArchiveSource, folder: string): ArchiveSource {
  return source.kind === 'folder'
    ? { kind: 'folder', folder: join(source.folder, folder) }
    : { ...source, prefix: `${source.prefix}${folder}` };
}

function readReceiptRequest(options: ReturnType<typeof parse>, level: Level): ReceiptRequest | null {
  const { receipts: path, 'receipt-key': key, 'receipt-delay': delay } = options;
  if (path === undefined) {
    if (key !== undefined || delay !== undefined)
      throw new UsageError('--receipt-key and --receipt-delay need --receipts.');
    return null;
  }
  if (key === undefined)
    throw new UsageError('--receipts needs --receipt-key: without the public key they prove nothing.');
  if (level === 'log' || level === 'head')
    throw new UsageError(`--receipts needs --level content or events: --level ${level} reads no event.`);
  const minutes = Number(delay ?? defaultReceiptDelay);
  if (!Number.isInteger(minutes) || minutes < 0)
    throw new UsageError(`--receipt-delay is ${delay}; it must be a number of minutes.`);
  return { path, keys: readReceiptKeys(key), delayMs: minutes * 60_000 };
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        ...{
          'from-folder': text,
          s3: text,
          prefix: text,
          key: text,
          policy: text,
          level: text,
          state: text,
          sample: text,
          tlog: text,
          receipts: text,
          'receipt-key': text,
          'receipt-delay': text,
        },
        ...{ 'public-key': text, name: text, cell: { type: 'string', multiple: true } },
        ...{ event: text, proof: text, pack: text, full: flag, json: flag, help: { ...flag, short: 'h' } },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function readSource(options: ReturnType<typeof parse>, environment: NodeJS.ProcessEnv): ArchiveSource {
  const { 'from-folder': folder, s3: bucket, prefix = 'audit_logs/' } = options;
  if ((folder === undefined) === (bucket === undefined)) throw new UsageError('Give --from-folder or --s3.');
  if (folder !== undefined) return { kind: 'folder', folder };
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = environment;
  const region = environment.S3_REGION || environment.AWS_REGION || environment.AWS_DEFAULT_REGION || 'us-east-1';
  if (!accessKeyId || !secretAccessKey)
    throw new UsageError('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set.');
  const endpoint = environment.S3_ENDPOINT || `https://s3.${region}.amazonaws.com`;
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
    throw new UsageError(
      `S3_ENDPOINT is ${endpoint.replace(/(:\/*)\S*@/, '$1…@')}; it must be an address such as https://s3.example.com.`,
    );
  return {
    kind: 's3',
    ...{ bucket: bucket ?? '', prefix, region, accessKeyId, secretAccessKey, endpoint },
    sessionToken: environment.AWS_SESSION_TOKEN || null,
  };
}

function readShare(text: string | undefined): number {
  if (text === undefined) return 0;
  const share = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text);
  if (!(share >= 0 && share <= 1)) throw new UsageError(`--sample is ${text}; it must be a share such as 1% or 0.01.`);
  return share;
}
