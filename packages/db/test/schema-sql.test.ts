import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('schema.sql is the schema that the migrations make', async () => {
  // The generator starts the embedded Postgres itself, because the text depends on the server's version.
  const generator = fileURLToPath(new URL('../generate/schema-sql.ts', import.meta.url));
  const child = spawn(process.execPath, [generator, '--check'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
});
