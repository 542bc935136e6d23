import type { Database } from '@auditbox/db/database/connect.ts';
import { listCheckpoints } from '@auditbox/db/log/checkpoints.ts';
import { readLogNodes } from '@auditbox/db/log/log-entries.ts';
import { cosignatureFolder, cosignaturePath, stampPath } from '@auditbox/evidence/log-files.ts';
import { proveConsistencyFrom, type ReadNodes } from '@auditbox/evidence/proofs.ts';
import { parseNote } from '@auditbox/evidence/signed-note.ts';
import type { Witness } from '@auditbox/evidence/witness-policy.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { ExporterLog } from '../log.ts';
import { askAuthority } from './ask-authority.ts';
import { askWitness, type PublishedCheckpoint } from './ask-witness.ts';
import type { LogSettings } from './log-settings.ts';
import type { LogStore } from './log-store.ts';

/** Gets the newest checkpoint attested by others. A pass over the log waits for them for 10 s; the export does not wait. */
export interface Attestor {
  /** The newest size that each of them attested, as this process saw it. */
  readonly attested: ReadonlyMap<string, number>;
  /** Asks those that did not attest the checkpoint of this size yet. `now` is the database's clock. Throws DatabaseError. */
  attest(size: number, now: string, signal: AbortSignal): Promise<void>;
}

type AskedWitness = Witness & { readonly url: string };

/** Others may take this long in a pass over the log. */
const patienceMs = 10_000;

/** What the time-stamping authority is called in metrics and log lines. */
const authority = 'time stamp';

/**
 * Where it can die: after an answer came and before it was stored; the next pass asks again. Two exporters may ask at once:
 * the first answer stays.
 */
export function createAttestor({
  db,
  destinationName,
  store,
  settings: { witnesses: policy, authorityUrl },
  log,
}: {
  readonly db: Database;
  readonly destinationName: string;
  readonly store: LogStore;
  readonly settings: Pick<LogSettings, 'witnesses' | 'authorityUrl'>;
  readonly log: ExporterLog;
}): Attestor {
  const asked = (policy?.witnesses ?? []).filter((one): one is AskedWitness => one.url !== null);
  const names = [...asked.map(({ name }) => name), ...(authorityUrl === null ? [] : [authority])];
  // 0 and not absent, so that an alert sees who never answered.
  const attested = new Map(names.map((name) => [name, 0]));
  /** What each witness saw, as far as it is known. */
  const seen = new Map<string, number>();

  async function cosign(witness: AskedWitness, checkpoint: PublishedCheckpoint, now: string, signal: AbortSignal) {
    const { name, key } = witness;
    const prove = (oldSize: number) => proveConsistencyFrom(oldSize, checkpoint.size, readNodes);
    const outcome = await askWitness(witness, { checkpoint, seen: seen.get(name) ?? 0 }, prove, signal);
    if (outcome.kind === 'failed') return log.notAttested({ by: name, size: checkpoint.size, reason: outcome.reason });
    seen.set(name, outcome.seen);
    if (outcome.kind === 'ahead') return log.witnessAhead({ by: name, size: checkpoint.size, seen: outcome.seen });
    await keep(name, cosignaturePath(checkpoint.size, key.id), Buffer.from(`${outcome.line}\n`), {
      checkpoint,
      now,
      signal,
    });
  }

  async function stamp(url: string, checkpoint: PublishedCheckpoint, now: string, signal: AbortSignal): Promise<void> {
    const outcome = await askAuthority(url, checkpoint.text, signal);
    if (outcome.kind === 'failed')
      return log.notAttested({ by: authority, size: checkpoint.size, reason: outcome.reason });
    await keep(authority, stampPath(checkpoint.size), outcome.answer, { checkpoint, now, signal });
  }

  /** Stores what somebody said. Another exporter may have stored an answer first, which is as good. */
  async function keep(
    by: string,
    path: string,
    body: Buffer,
    { checkpoint: { size }, now, signal }: { checkpoint: PublishedCheckpoint; now: string; signal: AbortSignal },
  ): Promise<void> {
    crashPoint('log before an attestation is stored');
    const made = await store.create(path, body, now, signal);
    if (made.kind === 'error') return log.notAttested({ by, size, reason: made.message });
    attested.set(by, size);
    if (made.kind === 'created') log.attested({ by, size });
  }

  const readNodes: ReadNodes = async (nodes) =>
    (await readLogNodes(db, destinationName, nodes)).map((hash) => Buffer.from(hash, 'hex'));

  /** Notes who attested a size before this process began. */
  async function findAttested(size: number, signal: AbortSignal): Promise<void> {
    const cosigned = await store.list(cosignatureFolder(size), '', signal);
    const stamped = authorityUrl === null ? null : await store.read(stampPath(size), signal);
    for (const { name, key } of asked)
      if (cosigned.kind === 'listed' && cosigned.paths.includes(cosignaturePath(size, key.id)))
        attested.set(name, size);
    if (stamped?.kind === 'read') attested.set(authority, size);
  }

  return {
    attested,
    async attest(size, now, signal) {
      const isOpen = (name: string) => attested.get(name) !== size;
      const isDone = () => !names.some(isOpen);
      if (size === 0 || isDone()) return;
      await findAttested(size, signal);
      if (isDone()) return;
      const checkpoint = await readCheckpoint(db, destinationName, size);
      if (checkpoint === null) return;
      const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
      await Promise.all([
        ...asked.filter(({ name }) => isOpen(name)).map((witness) => cosign(witness, checkpoint, now, patience)),
        ...(authorityUrl !== null && isOpen(authority) ? [stamp(authorityUrl, checkpoint, now, patience)] : []),
      ]);
    },
  };
}

async function readCheckpoint(db: Database, destination: string, size: number): Promise<PublishedCheckpoint | null> {
  const [stored] = await listCheckpoints(db, destination, [size]);
  const text = stored?.note ? parseNote(stored.note)?.text : undefined;
  return stored?.note && text !== undefined ? { size, text, note: stored.note } : null;
}
