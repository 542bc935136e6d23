import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { counted } from '@auditbox/core/text/counted.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { newestCheckpoint } from '@auditbox/db/log/checkpoints.ts';
import { listLoggedEvents } from '@auditbox/db/log/list-logged-events.ts';
import { formatVerifierKey } from '@auditbox/evidence/signed-note.ts';
import type { EvidenceCommand } from '../cli.ts';
import type { Destination } from '../destinations/destination.ts';
import { proveBatch } from '../evidence-pack/prove-batch.ts';
import { readmeText } from '../evidence-pack/readme.ts';
import type { ExporterSettings } from '../settings.ts';

interface EvidenceParts {
  readonly settings: ExporterSettings;
  readonly db: Database;
  readonly destinationName: string;
  readonly destination: Destination;
}

/** A pack is for people. A program reads the archive. */
const mostEvents = 10_000;

/**
 * Writes events with their proofs into a folder that can be checked without us. Resolves to the exit code: 0 all selected
 * events are in it; 1 it could not be done; 2 some are not in the signed log yet.
 */
export async function evidence(parts: EvidenceParts, command: EvidenceCommand, signal: AbortSignal): Promise<number> {
  const { settings, db, destinationName } = parts;
  if (settings.log === null) return fail('There is no log: set EXPORT_LOG_ORIGIN and EXPORT_LOG_KEY_FILE.');
  if (!(await isEmpty(command.output))) return fail(`The folder ${command.output} is not empty.`);
  const checkpoint = await newestCheckpoint(db, destinationName);
  if (checkpoint === null) return fail('There is no signed checkpoint yet.');
  const events = await listLoggedEvents(db, command, { destination: destinationName, most: mostEvents + 1 });
  if (events.length === 0) return fail('No event was selected.');
  if (events.length > mostEvents) return fail(`More than ${mostEvents} events were selected. Narrow --from and --to.`);

  const order = new Map(events.map(({ id }, n) => [id, n]));
  const batches = new Map<number, Set<string>>();
  for (const { id, index } of events) {
    if (index === null || index >= checkpoint.size) continue;
    batches.set(index, (batches.get(index) ?? new Set()).add(id));
  }
  await mkdir(join(command.output, 'events'), { recursive: true });
  await mkdir(join(command.output, 'proofs'), { recursive: true });
  let written = 0;
  for (const [index, ids] of batches) {
    const proven = await proveBatch({ ...parts, checkpoint }, { index, ids }, signal);
    if (proven.kind === 'failed') return fail(proven.reason);
    for (const { id, line, proof } of proven.events) {
      const name = `${String((order.get(id) ?? 0) + 1).padStart(5, '0')}-${id}`;
      await writeFile(join(command.output, 'events', `${name}.json`), line);
      await writeFile(join(command.output, 'proofs', `${name}.tlog-proof`), proof);
      written += 1;
    }
  }
  const key = formatVerifierKey(settings.log.key);
  const unlogged = events.length - written;
  const { origin } = settings.log;
  const readme = readmeText({
    ...{ selection: describe(command), events: written, unlogged, origin, size: checkpoint.size, key },
  });
  await writeFile(join(command.output, 'checkpoint.txt'), checkpoint.note);
  await writeFile(join(command.output, 'key.txt'), `${key}\n`);
  await writeFile(join(command.output, 'README.txt'), readme);
  process.stdout.write(
    command.json
      ? `${JSON.stringify({ ok: unlogged === 0, folder: command.output, events: written, unlogged })}\n`
      : `${counted(written, 'event with its proof is', 'events with their proofs are')} in ${command.output}.${unlogged === 0 ? '' : ` ${counted(unlogged, 'event is', 'events are')} not in the signed log yet.`}\n`,
  );
  return unlogged === 0 ? 0 : 2;
}

async function isEmpty(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}

function describe({ object, from, to }: EvidenceCommand): string {
  return [
    object === null ? 'all objects' : `the object ${object.objectId} of ${object.tableName}`,
    ...(from === null ? [] : [`from ${from}`]),
    ...(to === null ? [] : [`to ${to}`]),
  ].join(', ');
}

function fail(message: string): number {
  process.stderr.write(`${message}\n`);
  return 1;
}
