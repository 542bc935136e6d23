import { readFile, writeFile } from 'node:fs/promises';
import { openapiDocument } from '@auditbox/api/http/openapi.ts';
import { routes } from '@auditbox/api/routes.ts';
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript';

/*
 * Writes the client's types from the api's OpenAPI document. They accept any action, because the set of actions is a
 * setting of the api. With --check it only reports whether the types are up to date.
 */

const file = new URL('../src/api-types.ts', import.meta.url);
// A plain object, because openapi-typescript's type of a document is narrower than the standard.
const document = JSON.parse(JSON.stringify(openapiDocument(routes, 'any')));
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
