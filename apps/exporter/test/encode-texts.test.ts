import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Row } from '@auditbox/destination-kit/destination.ts';
import { expect, test } from 'vitest';
import { encodeTexts } from '../src/destinations/http/encode-texts.ts';
import { splunkHec } from '../src/destinations/splunk-hec/splunk-hec.ts';
import { createBody } from '../src/destinations/webhook/bodies.ts';

/* The bytes of requests, and the sizes by which they are cut. */

const texts = ['', 'plain', 'é', '😀 𝄞', '\u2028', 'ÿ'.repeat(1_000)];
const rows = texts.map((text, index): Row => {
  const id = `00000000-0000-4000-8000-00000000000${index}`;
  const times = { occurredAt: `2026-07-03T11:46:5${index}.000001Z`, recordedAt: '2026-07-03T11:47:00.000000Z' };
  const about = { action: 'updated', tableName: 'teams', objectId: '42', changedBy: 'ana' };
  return { id, ...times, ...about, line: `{"id":"${id}","text":"${text}"}` };
});

test('texts of all scripts are encoded as their join is', () => {
  expect(encodeTexts(texts)).toEqual(Buffer.from(texts.join('')));
});

test('the bodies of a webhook are what their forms prescribe', () => {
  const lines = rows.map(({ line }) => line);
  const bodyOf = (name: 'array' | 'ndjson' | 'event', some = rows) =>
    encodeTexts(createBody(name, 'auditbox').write(some)).toString();
  expect(bodyOf('array')).toBe(`[${lines.join(',')}]`);
  expect(bodyOf('ndjson')).toBe(lines.map((line) => `${line}\n`).join(''));
  expect(bodyOf('event', rows.slice(0, 1))).toBe(
    `{"type":"audit.updated","timestamp":"2026-07-03T11:46:50.000001Z","data":${lines[0]}}`,
  );
});

test('a request of the collector has exactly the bytes that its rows were counted with', async () => {
  const bodies: Buffer[] = [];
  const server = createServer(async (request, response) => {
    bodies.push(Buffer.concat(await request.toArray()));
    response.end('{"code":0}');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = splunkHec.options.parse({ url, token: 'secret', source: 'prüfung' });
  const destination = await splunkHec.create(options, { name: 'hec', env: {}, log: () => {} }, { timeoutMs: 30_000 });
  try {
    const request = { key: 'hec/1-a/0', batch: '1', rows };
    expect(await destination.deliver(request, new AbortController().signal)).toEqual({ kind: 'taken' });
    const counted = rows.reduce((sum, row) => sum + (destination.limits.rowBytes?.(row) ?? 0), 0);
    expect(bodies.map(({ length }) => length)).toEqual([counted]);
    const [first] = String(bodies[0]).split('\n');
    expect(first).toBe(
      `{"time":1783079210.000001,"source":"prüfung","sourcetype":"auditbox","fields":{"id":"${rows[0]?.id}"},"event":${rows[0]?.line}}`,
    );
  } finally {
    await destination.close();
    server.closeAllConnections();
    server.close();
  }
});
