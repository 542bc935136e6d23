import type { ExportStatus } from '@auditbox/db/events/get-event.ts';
import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { HttpProblem } from '../../http/problem.ts';
import { sendJson } from '../../http/send-json.ts';
import type { Reader } from '../choose-reader.ts';

export interface GetEventDependencies {
  readonly get: (id: string, reader: Reader) => Promise<{ json: string; exported: ExportStatus } | null>;
  readonly readFrom: (request: Request) => Reader;
}

/** `GET /audit/:id`: one event, and where its archived copy is. */
export function getEvent({ get, readFrom }: GetEventDependencies): RequestHandler {
  return async (request, response) => {
    const id = z.guid().safeParse(request.params.id);
    if (!id.success)
      throw new HttpProblem(400, 'The id is not a UUID.', { errors: [{ path: 'id', message: 'must be a UUID' }] });
    const found = await get(id.data, readFrom(request));
    if (!found) throw new HttpProblem(404, `Audit log with ID ${id.data} not found.`);
    const { json, exported } = found;
    sendJson(response, 200, `${json.slice(0, -1)},"export":${JSON.stringify(exported)}}`);
  };
}
