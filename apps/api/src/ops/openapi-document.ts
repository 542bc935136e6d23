import type { RequestHandler } from 'express';
import { sendJson } from '../http/send-json.ts';

export interface OpenapiDocumentDependencies {
  /** The api's OpenAPI document. */
  readonly document: object;
}

/** `GET /openapi.json`: what this api takes and answers, for programs. */
export function openapiDocument({ document }: OpenapiDocumentDependencies): RequestHandler {
  const json = JSON.stringify(document);
  return (_request, response) => sendJson(response, 200, json);
}
