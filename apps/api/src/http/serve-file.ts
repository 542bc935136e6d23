import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { RequestHandler } from 'express';

/**
 * Serves a file that is read once. All answers share its bytes. A file that is read for each answer holds a descriptor and a part of
 * the file for each caller that does not take its answer, and nobody needs a key for it.
 */
export function serveFile(path: string): RequestHandler {
  const bytes = readFileSync(path);
  const type = extname(path);
  return (_request, response) => {
    response.type(type).send(bytes);
  };
}
