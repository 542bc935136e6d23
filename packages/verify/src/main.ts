import { readFile } from 'node:fs/promises';
import { counted } from '../../evidence/src/counted.ts';
import { checkEventProof, parseEventProof } from '../../evidence/src/event-proof.ts';
import { printable, printableLines } from '../../evidence/src/printable.ts';
import { formatVerifierKey, verifierKeyOf } from '../../evidence/src/signed-note.ts';
import { ArchiveError } from './archive/archive.ts';
import { openArchive } from './archive/open-archive.ts';
import { checkCells } from './check-cells.ts';
import { type CheckedPack, checkPack, type PackProblem } from './check-pack.ts';
import { type Command, help, parseCommand } from './cli.ts';
import { describeFinding, describeRun, toJson } from './describe.ts';
import type { Finding } from './finding.ts';
import { mostKept, runArchive } from './run-archive.ts';
import { showProgress } from './show-progress.ts';
import { UsageError } from './usage-error.ts';
import { writeTlog } from './write-tlog.ts';

/*
 * `npm run verify-archive`: checks a copy of the bucket. It imports nothing but this folder, packages/evidence and Node, so
 * an auditor can run this file from a checkout without `npm install`. Then it reads no `.env`.
 */

// Only a verdict may change it. A run that ends in any other way has not checked the archive.
process.exitCode = 1;
// Nobody reads the findings, or they cannot be stored.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.stderr.write(`The findings cannot be written: ${error.message}.\n`);
  process.exit(1);
});

main().then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    process.exitCode = 1;
    const isKnown = error instanceof UsageError || error instanceof ArchiveError;
    process.stderr.write(`${isKnown ? printableLines(error.message) : ((error as Error).stack ?? String(error))}\n`);
  },
);

async function main(): Promise<number> {
  const command = parseCommand(process.argv.slice(2), process.env);
  switch (command.kind) {
    case 'help':
      process.stdout.write(help(process.env.AUDITBOX_COMMAND ? 'auditbox verify' : 'npm run verify-archive --'));
      return 0;
    case 'event':
      return checkEvent(command);
    case 'pack':
      return judgePack(command);
    case 'key': {
      const key = formatVerifierKey(verifierKeyOf(command.name, command.publicKey));
      process.stdout.write(`${command.json ? JSON.stringify({ key }) : key}\n`);
      return 0;
    }
    case 'tlog': {
      const size = await writeTlog(openArchive(command.source), command.key, command.folder);
      process.stdout.write(
        command.json
          ? `${JSON.stringify({ batches: size, folder: command.folder })}\n`
          : `The log of ${counted(size, 'batch', 'batches')} is in ${command.folder}.\n`,
      );
      return 0;
    }
    case 'archive':
      return checkArchive(command);
    case 'cells':
      return checkCells(command, showProgress());
    default:
      return command satisfies never;
  }
}

async function checkArchive(command: Extract<Command, { kind: 'archive' }>): Promise<number> {
  const { json } = command;
  const progress = showProgress();
  const found: Finding[] = [];
  let isBroken = false;
  const outcome = await runArchive(command, {
    onFinding(finding) {
      isBroken ||= finding.kind === 'broken';
      if (found.length < mostKept) found.push(finding);
      if (!json) process.stdout.write(describeFinding(finding));
    },
    onProgress: progress.set,
  })
    .catch((error: unknown) => {
      // What was found before the archive could not be read stays found.
      if (!(error instanceof ArchiveError) || !isBroken) throw error;
      return error;
    })
    .finally(progress.end);
  if (outcome instanceof ArchiveError) return concludeUnread(outcome, found, json);
  const { exitCode, run, findings } = outcome;
  if (json) process.stdout.write(`${JSON.stringify({ exitCode, ...toJson(run), findings })}\n`);
  else process.stdout.write(describeRun(run, exitCode, run.receipts));
  return exitCode;
}

/** A person must look at what is broken, also when a part of the archive could not be read. */
function concludeUnread({ message }: ArchiveError, findings: readonly Finding[], json: boolean): number {
  process.stderr.write(`${printable(message)}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ exitCode: 3, unread: message, findings })}\n`);
  else process.stdout.write('BROKEN: see the lines above. A part of the archive could not be read.\n');
  return 3;
}

async function checkEvent({ eventFile, proofFile, key, json }: Extract<Command, { kind: 'event' }>): Promise<number> {
  const line = await readBytes(eventFile);
  const proof = parseEventProof((await readBytes(proofFile)).toString());
  if (proof === null) throw new UsageError(`${proofFile} is not a proof of an event.`);
  const verdict = checkEventProof(line.at(-1) === 10 ? line.subarray(0, -1) : line, proof, key);
  if (json) process.stdout.write(`${JSON.stringify(verdict)}\n`);
  else if (verdict.kind === 'broken') process.stdout.write(`BROKEN: ${verdict.reason}\n`);
  else {
    const { batch, checkpoint } = verdict;
    process.stdout.write(
      `HOLDS: the event is line ${proof.line + 1} of ${batch.key},\nwhich is entry ${batch.index} of the log ${checkpoint.origin}, logged at ${batch.logged}.\nThe checkpoint of ${counted(checkpoint.size, 'batch', 'batches')} is signed by ${verdict.signedBy.join(', ')}.\nNot proven: that the object is still in the bucket.\n`,
    );
  }
  return verdict.kind === 'holds' ? 0 : 3;
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}.`);
  }
}

async function judgePack({ folder, key, json }: Extract<Command, { kind: 'pack' }>): Promise<number> {
  const { events, broken, unread } = await checkPack(folder, key);
  if (json) process.stdout.write(`${JSON.stringify({ events, broken, unread })}\n`);
  else {
    const show = (word: string, { name, reason }: PackProblem) =>
      process.stdout.write(`${word}\t${printable(name)}\t${printable(reason)}\n`);
    for (const problem of broken) show('BROKEN', problem);
    for (const problem of unread) show('NOT CHECKED', problem);
    process.stdout.write(describePack({ events, broken, unread }, key.name));
  }
  if (broken.length > 0) return 3;
  return unread.length > 0 ? 2 : 0;
}

function describePack({ events, broken, unread }: CheckedPack, log: string): string {
  if (broken.length > 0) return `BROKEN: ${counted(broken.length, 'file')} of a pack of ${counted(events, 'event')}.\n`;
  const what =
    unread.length > 0
      ? `HOLDS IN PART: ${counted(unread.length, 'file')} of a pack of ${counted(events, 'event')} cannot be read; the others are in the log ${log}, as they stand here.`
      : `HOLDS: ${events === 1 ? '' : 'all '}${counted(events, 'event is', 'events are')} in the log ${log}, as ${events === 1 ? 'it stands' : 'they stand'} here.`;
  return `${what}\nNot proven: that the pack has all events that it should have; that their objects are still in the bucket.\n`;
}
