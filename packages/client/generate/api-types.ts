import { readFile, writeFile } from 'node:fs/promises';
import { apiDocument } from '@auditbox/api/http/openapi/document.ts';
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript';

/*
 * Writes the client's types from the api's OpenAPI document, with any action: the closed set is a setting of the api.
 * With --check it only says whether they are up to date.
 */

const file = new URL('../src/api-types.ts', import.meta.url);
// Its own type of documents is narrower than the standard.
const document = JSON.parse(JSON.stringify(apiDocument('any')));
const types = `${COMMENT_HEADER}${astToString(await openapiTS(document))}`;
const before = await readFile(file, 'utf8').catch(() => '');

if (process.argv.includes('--check')) {
  if (types !== before) {
    process.stderr.write("The client's types are out of date; run `npm run format`.\n");
    process.exitCode = 1;
  }
} else {
  await writeFile(file, types);
}
