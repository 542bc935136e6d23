import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkEventProof, parseEventProof } from '../../evidence/src/event-proof.ts';
import { formatVerifierKey, verifierKeyOf } from '../../evidence/src/signed-note.ts';
import { ArchiveError } from './archive/archive.ts';
import { openArchive } from './archive/open-archive.ts';
import { type Command, help, parseCommand } from './cli.ts';
import { describeFinding, describeRun } from './describe.ts';
import { runArchive } from './run-archive.ts';
import { UsageError } from './usage-error.ts';
import { writeTlog } from './write-tlog.ts';

/*
 * `npm run verify-archive`: checks a copy of the bucket. It imports nothing but this folder, packages/evidence and Node, so
 * an auditor can run it from a checkout without `npm install`.
 */

const progressEveryMs = 2_000;

main().then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    const isKnown = error instanceof UsageError || error instanceof ArchiveError;
    process.stderr.write(`${isKnown ? error.message : ((error as Error).stack ?? String(error))}\n`);
    process.exitCode = 1;
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
      return checkPack(command);
    case 'key':
      process.stdout.write(`${formatVerifierKey(verifierKeyOf(command.name, command.publicKey))}\n`);
      return 0;
    case 'tlog': {
      const size = await writeTlog(openArchive(command.source), command.folder);
      process.stdout.write(`The log of ${size} batches is in ${command.folder}.\n`);
      return 0;
    }
    case 'archive':
      return checkArchive(command);
    default:
      return command satisfies never;
  }
}

async function checkArchive(command: Extract<Command, { kind: 'archive' }>): Promise<number> {
  const { json } = command;
  let shownAt = performance.now();
  const { exitCode, run, findings } = await runArchive(command, {
    onFinding: (finding) => void (json || process.stdout.write(describeFinding(finding))),
    onProgress(text) {
      if (performance.now() - shownAt < progressEveryMs) return;
      shownAt = performance.now();
      process.stderr.write(`${text}\n`);
    },
  });
  const newestLogged = run.log?.newestLogged ?? null;
  const ageS = newestLogged === null ? null : Math.max(0, (Date.now() - Date.parse(newestLogged)) / 1000);
  if (json) {
    const { log, nextState: _, ...counts } = run;
    const checkpoint = log && { ...log.checkpoint, root: log.checkpoint.root.toString('base64') };
    process.stdout.write(`${JSON.stringify({ exitCode, ...counts, checkpoint, newestLogged, findings })}\n`);
  } else process.stdout.write(describeRun(run, exitCode, ageS));
  return exitCode;
}

async function checkEvent({ eventFile, proofFile, key, json }: Extract<Command, { kind: 'event' }>): Promise<number> {
  const line = await readFile(eventFile);
  const proof = parseEventProof(await readFile(proofFile, 'utf8'));
  if (proof === null) throw new UsageError(`${proofFile} is not a proof of an event.`);
  const verdict = checkEventProof(line.at(-1) === 10 ? line.subarray(0, -1) : line, proof, key);
  if (json) process.stdout.write(`${JSON.stringify(verdict)}\n`);
  else if (verdict.kind === 'broken') process.stdout.write(`BROKEN: ${verdict.reason}\n`);
  else {
    const { batch, checkpoint } = verdict;
    process.stdout.write(
      `HOLDS: the event is line ${proof.line + 1} of ${batch.key},\nwhich is entry ${batch.index} of the log ${checkpoint.origin}, logged at ${batch.logged}.\nThe checkpoint of ${checkpoint.size} batches is signed by ${verdict.signedBy.join(', ')}.\nNot proven: that the object is still in the bucket.\n`,
    );
  }
  return verdict.kind === 'holds' ? 0 : 3;
}

async function checkPack({ folder, key, json }: Extract<Command, { kind: 'pack' }>): Promise<number> {
  const names = (await readdir(join(folder, 'events')).catch(() => [])).filter((name) => name.endsWith('.json')).sort();
  if (names.length === 0) throw new UsageError(`${folder} has no events.`);
  const broken: { name: string; reason: string }[] = [];
  for (const name of names) {
    const line = await readFile(join(folder, 'events', name));
    const file = join(folder, 'proofs', name.replace(/json$/, 'tlog-proof'));
    const proof = parseEventProof(await readFile(file, 'utf8').catch(() => ''));
    const verdict = proof && checkEventProof(line, proof, key);
    if (verdict?.kind === 'holds') continue;
    broken.push({ name, reason: verdict === null ? 'It has no proof.' : verdict.reason });
  }
  if (json) process.stdout.write(`${JSON.stringify({ events: names.length, broken })}\n`);
  else {
    for (const { name, reason } of broken) process.stdout.write(`BROKEN\t${name}\t${reason}\n`);
    process.stdout.write(
      broken.length === 0
        ? `HOLDS: all ${names.length} events are in the log ${key.name}, as they stand here.\n`
        : `BROKEN: ${broken.length} of ${names.length} events.\n`,
    );
  }
  return broken.length === 0 ? 0 : 3;
}
