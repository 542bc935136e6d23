import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isInCellFolder } from '@auditbox/core/cells/cell-folder.ts';
import { readArchivedLines } from '@auditbox/s3/archived-lines.ts';
import type { BucketFiles, NewFile } from '@auditbox/s3/bucket-files.ts';
import type { ObjectContent } from '@auditbox/s3/read-content.ts';
import type { StoreError } from '@auditbox/s3/s3-access.ts';
import { BrokenLineError } from '@auditbox/s3/split-lines.ts';
import { ArchiveError, exitCodes } from '../archive-error.ts';
import { type ArchiveObject, beginsWith, toArchiveObject } from './archive-object.ts';
import { mayHold, type TimeRange } from './time-range.ts';

/** The objects of a bucket. Throws ArchiveError when the store cannot be read. */
export interface Archive {
  readonly prefix: string;
  /**
   * The objects whose folders may hold events of the range: those of all tenants, then those of each tenant, then the same of
   * each cell; each group in the order of its keys, which is the order of time. Throws an ArchiveError when an object is there
   * twice.
   */
  list(range: TimeRange): AsyncIterable<ArchiveObject>;
  /**
   * Gives each line of an object to `onLine`, without its line break; it is only valid during the call. Throws an ArchiveError
   * when the lines are not those that the name of the object promises. By then `onLine` has seen them.
   */
  readLines(object: ArchiveObject, onLine: (line: Buffer) => void, stop?: AbortSignal): Promise<ObjectContent>;
  /** All keys below a prefix, in order. */
  listKeys(prefix: string): Promise<string[]>;
  /** A small object; null when it is missing. */
  read(key: string): Promise<Buffer | null>;
  /** Into a new file. */
  download(key: string, path: string): Promise<void>;
  create(file: NewFile): Promise<'created' | 'exists'>;
}

const tries = 4;
const firstRetryMs = 500;

export function openArchive(files: BucketFiles, prefix: string, signal: AbortSignal): Archive {
  async function* listFiles(start: string, from: string) {
    for (let after = from; ; ) {
      const page = await insist(() => files.list(start, after, signal), signal);
      yield* page.files;
      if (page.isLast) return;
      after = page.files.at(-1)?.key ?? after;
    }
  }

  async function* listFolders(start: string) {
    for (let after = ''; ; ) {
      const page = await insist(() => files.listFolders(start, after, signal), signal);
      yield* page.folders;
      if (page.isLast) return;
      after = page.folders.at(-1) ?? after;
    }
  }

  async function* listDays(folder: string, range: TimeRange) {
    const from = range.from === null ? '' : `${folder}dt=${range.from.slice(0, 10)}/`;
    // Keys sort by time, so the listing ends at the first day behind the range.
    const lastDay = range.to?.slice(0, 10) ?? null;
    const refuseCopies = createCopyCheck();
    for await (const file of listFiles(`${folder}dt=`, from)) {
      const object = toArchiveObject(file, prefix);
      if (object === null) continue;
      if (lastDay !== null && object.day > lastDay) return;
      if (!mayHold(range, object.partition)) continue;
      refuseCopies(object);
      yield object;
    }
  }

  async function* listBelow(folder: string, range: TimeRange) {
    yield* listDays(folder, range);
    for await (const tenant of listFolders(`${folder}tenant=`)) yield* listDays(tenant, range);
  }

  return {
    prefix,

    async *list(range) {
      yield* listBelow(prefix, range);
      for await (const folder of listFolders(`${prefix}cell=`))
        if (isInCellFolder(folder.slice(prefix.length))) yield* listBelow(folder, range);
    },

    async readLines(object, onLine, stop) {
      const signals = stop === undefined ? signal : AbortSignal.any([signal, stop]);
      // A second try would give the first lines twice, so it skips as many as the first has given.
      let given = 0;
      let isPlaced = true;
      const read = await insist(
        async () => {
          let seen = 0;
          const giveNew = (line: Buffer) => {
            seen += 1;
            if (seen <= given) return;
            if (seen === 1) isPlaced = beginsWith(object, line);
            given = seen;
            onLine(line);
          };
          return readArchivedLines(files, object, giveNew, signals);
        },
        signals,
        cannotBeRead(object.key),
      ).catch((error: unknown) => {
        throw explainLine(object, error);
      });
      if (read.kind === 'missing') throw altered(`${object.key} was listed and is missing.`);
      if (read.kind === 'altered')
        throw altered(
          `${object.key} does not hold the lines that its name promises. Check the archive with \`npm run verify-archive\`.`,
        );
      if (!isPlaced)
        throw altered(
          `${object.key} begins with an event of another time than its name says, so it was copied or renamed. Check the archive with \`npm run verify-archive\`.`,
        );
      return read.content;
    },

    async listKeys(start) {
      const keys: string[] = [];
      for await (const { key } of listFiles(start, '')) keys.push(key);
      return keys;
    },

    async read(key) {
      const read = await insist(() => files.read(key, signal), signal, cannotBeRead(key));
      return read.kind === 'missing' ? null : read.body;
    },

    async download(key, path) {
      const done = await insist(
        async () => {
          // What a failed try has left.
          await rm(path, { force: true });
          return files.download(key, path, signal);
        },
        signal,
        cannotBeRead(key),
      );
      if (done.kind === 'missing')
        throw altered(`${key} is missing, and its manifest names it. --no-parquet reads only the objects.`);
    },

    async create(file) {
      return (await insist(() => files.create(file, signal), signal, `${file.key} cannot be stored. `)).kind;
    },
  };
}

/**
 * A function that throws an ArchiveError for an object with the lines of one before it. Copies in a folder have the same
 * second, and keys are in the order of the seconds, so memory holds the objects of one second.
 */
function createCopyCheck(): (object: ArchiveObject) => void {
  let second = '';
  let keys = new Map<string, string>();
  return ({ key, partition, begin, hash }) => {
    if (second !== partition + begin) keys = new Map();
    second = partition + begin;
    const first = keys.get(hash);
    if (first !== undefined)
      throw altered(
        `${first} and ${key} have the same lines, so one of them is a copy. \`npm run verify-archive\` names the one that is not in the log.`,
      );
    keys.set(hash, key);
  };
}

/** A line that is not an event is the object's fault. Any other error is thrown as it is. */
function explainLine({ key }: ArchiveObject, error: unknown): unknown {
  if (!(error instanceof SyntaxError || error instanceof BrokenLineError)) return error;
  return altered(`${key} has a line that is not an event: ${error.message}`);
}

function altered(message: string): ArchiveError {
  return new ArchiveError(message, exitCodes.altered);
}

function cannotBeRead(key: string): string {
  return `${key} cannot be read. `;
}

/** Tries again after an error that may go away. Throws an ArchiveError after the last try; its message begins with `what`. */
async function insist<T extends { readonly kind: string }>(
  request: () => Promise<T | StoreError>,
  signal: AbortSignal,
  what = '',
): Promise<T> {
  for (let n = 1; ; n += 1) {
    const outcome = await request();
    if (!isError(outcome)) return outcome;
    signal.throwIfAborted();
    if (outcome.class !== 'transient' || n === tries) throw new ArchiveError(`${what}${outcome.message}`);
    await delay(firstRetryMs * 2 ** (n - 1), undefined, { signal });
  }
}

function isError<T extends { readonly kind: string }>(outcome: T | StoreError): outcome is StoreError {
  return outcome.kind === 'error';
}
