import { archiveDestination as destination } from '@auditbox/core/export/archive-destination.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { copyBatchLines } from '@auditbox/db/export/copy-batch-lines.ts';
import { newestCheckpoint } from '@auditbox/db/log/checkpoints.ts';
import { findLoggedBatch, type LoggedBatch } from '@auditbox/db/log/find-logged-batch.ts';
import { readLogNodes } from '@auditbox/db/log/log-entries.ts';
import { parseBatchEntry } from '@auditbox/evidence/batch-entry.ts';
import { formatEventProof } from '@auditbox/evidence/event-proof.ts';
import { proveInclusionFrom } from '@auditbox/evidence/proofs.ts';
import { createProvableLines } from '@auditbox/evidence/provable-lines.ts';
import { z } from 'zod';
import { getCaller } from '../http/caller.ts';
import { HttpProblem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { preferHeader, type Reader, readerHeaders } from './readers.ts';

/** A proof is asked for again after a checkpoint. */
const retryAfterS = 60;

/** `GET /audit/:id/proof`: what proves offline that an event is in the archive's signed log. */
export const eventProof: Route = {
  method: 'get',
  path: '/audit/:id/proof',
  access: 'audit:read',
  problems: [404, 409],
  operation: () => ({
    operationId: 'getEventProof',
    summary: 'A proof that the event is in the signed log of the archive',
    description:
      'A C2SP tlog-proof. `npm run verify-archive -- --event FILE --proof FILE --key KEY` checks it without network or database, against the line of the event in its object.',
    requestParams: { path: z.object({ id: z.guid() }) },
    parameters: [preferHeader],
    responses: {
      200: {
        description: 'The proof.',
        headers: readerHeaders,
        content: { 'text/plain': { schema: { type: 'string' } } },
      },
    },
  }),
  createHandler:
    ({ sources }) =>
    async (request, response) => {
      const id = z.guid().safeParse(request.params.id);
      if (!id.success)
        throw new HttpProblem(400, 'The id is not a UUID.', { errors: [{ path: 'id', message: 'must be a UUID' }] });
      const reads = await sources.choose(request, response);
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      const known = await reads.locateEvent(id.data.toLowerCase(), getCaller(response).tenant);
      if (known === null) throw notFound(id.data);
      response.type('text/plain').send(await proveEvent(known.reader, id.data.toLowerCase(), gone.signal));
    },
};

function notFound(id: string): HttpProblem {
  return new HttpProblem(404, `Audit log with ID ${id} not found.`);
}

async function proveEvent(reader: Reader, id: string, signal: AbortSignal): Promise<string> {
  const db = reader.poolFor();
  const found = await findLoggedBatch(db, id, destination);
  if (found.kind === 'unknown') throw notFound(id);
  const checkpoint = await newestCheckpoint(db, destination);
  if (found.kind === 'unlogged' || checkpoint === null || found.batch.index >= checkpoint.size)
    throw new HttpProblem(404, 'The event is not in a signed checkpoint of the log yet.', {
      headers: { 'retry-after': String(retryAfterS) },
    });
  const { batch } = found;
  const { index, entry } = batch;
  const { line, linePath } = await proveLine(reader.longReads, batch, id, signal);
  const path = await proveInclusionFrom(index, checkpoint.size, async (nodes) =>
    (await readLogNodes(db, destination, nodes)).map((hash) => Buffer.from(hash, 'hex')),
  );
  return formatEventProof({ entry, line, linePath, index, path, checkpoint: checkpoint.note });
}

/** The lines are rendered again. Their root shows whether they are what was archived. */
async function proveLine(db: Database, batch: LoggedBatch, id: string, signal: AbortSignal) {
  let line = -1;
  const begin = Buffer.from(`{"id":"${id}"`);
  const tree = createProvableLines((text, index) => {
    if (text.subarray(0, begin.length).equals(begin)) line = index;
  });
  await copyBatchLines(db, batch, (chunk) => tree.add(chunk), signal);
  if (line === -1 || tree.root() !== parseBatchEntry(batch.entry)?.lines)
    throw new HttpProblem(
      409,
      'The rows of this batch in the database are not what was archived: a row was changed or is missing. The object in the bucket is the record; run `npm run exporter -- --verify`.',
    );
  return { line, linePath: tree.prove(line) };
}
