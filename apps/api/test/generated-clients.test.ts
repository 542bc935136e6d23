import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { expect, test } from 'vitest';

/*
 * Clients that generators of other languages make from /openapi.json. A generator is a program that is called with four arguments:
 * the document, a file that uses the client, the URL of the api, and a key. It makes the client and runs the file.
 */

const generators = [
  ['Python, by openapi-python-client', 'main.py', 'TEST_PYTHON_GENERATOR'],
  ['Go, by oapi-codegen', 'main.go', 'TEST_GO_GENERATOR'],
] as const;

for (const [language, file, variable] of generators) {
  const generator = process.env[variable] ?? '';
  if (generator === '') console.warn(`${variable} is not set, so no client is generated for ${language}.`);

  test.skipIf(generator === '')(
    `a client for ${language}, writes, reads, counts, and understands a refusal`,
    async () => {
      const api = await createApiFixture();
      const document = join(mkdtempSync(join(tmpdir(), 'generated-')), 'openapi.json');
      writeFileSync(document, await (await fetch(`${api.url}/openapi.json`)).text());
      const program = fileURLToPath(new URL(`./generated-clients/${file}`, import.meta.url));
      const { stdout } = await promisify(execFile)(generator, [document, program, api.url, masterKey]);
      expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toEqual({
        statuses: [201, 201, 200, 200, 200, 200, 422],
        events: 3,
        changed_by: 'ana',
        updated_values: { budget: 25 },
        problem: 'changed_by',
      });
      await api.close();
    },
  );
}
