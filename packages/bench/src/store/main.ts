import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Received, tally } from './tally.ts';

/*
 * An object store in memory. It stores each object after a given delay, honours If-None-Match and counts objects and
 * rows. It is a separate process, so that its processor time is not part of the measured processes. During a run it uses
 * the row count in the object's metadata, because unpacking would slow the measured processes. `/tally` unpacks all.
 *
 *   PUT, GET, HEAD /bucket/key          as in S3; GET of objects that are kept; those without rows, such as the files of the log, always are
 *   GET /bucket?list-type=2             as in S3, on one page
 *   POST /anything                      a request of another destination: one event in each line
 *   POST /start?delayMs=30&keep=false   delete all objects and set the options
 *   GET /progress                       {objects, rows, bytes, lastAt}
 *   GET /tally                          the real content of all objects
 */

let delayMs = 0;
let keep = true;
let objects = new Map<string, Received>();
let rows = 0;
let bytes = 0;
let lastAt = 0;

const now = () => performance.timeOrigin + performance.now();

const server = createServer((request, response) => {
  respond(request, response).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    response.destroy();
  });
});

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://store');
  const { searchParams } = url;
  const pathname = decodeURIComponent(url.pathname);
  switch (`${request.method} ${pathname}`) {
    case 'POST /start':
      delayMs = Number(searchParams.get('delayMs') ?? 0);
      keep = searchParams.get('keep') !== 'false';
      objects = new Map();
      rows = bytes = lastAt = 0;
      return sendJson(response, {});
    case 'GET /progress':
      return sendJson(response, { objects: objects.size, rows, bytes, lastAt });
    case 'GET /tally':
      return sendJson(response, await tally([...objects.values()]));
  }
  if (request.method === 'PUT') return store(pathname, request, response);
  if (request.method === 'POST') return receive(request, response);
  if (searchParams.has('list-type')) return list(pathname.replace(/\/$/, ''), searchParams, response);
  const known = objects.get(pathname);
  const body = known?.file ?? known?.body;
  if (request.method === 'GET' && body) {
    response.writeHead(200, { etag: '"bench"', 'content-length': body.length }).end(body);
    return;
  }
  response.writeHead(known ? 200 : 404, known ? { etag: '"bench"' } : {}).end();
}

async function store(key: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = Buffer.concat(await request.toArray());
  if (delayMs > 0) await sleep(delayMs);
  const claimed = Number(request.headers['x-amz-meta-rows'] ?? 0);
  if (objects.has(key) && request.headers['if-none-match'] === '*') {
    response.writeHead(412, { 'content-type': 'application/xml' });
    response.end('<Error><Code>PreconditionFailed</Code></Error>');
    return;
  }
  // The object of the start-up probe has no rows.
  if (claimed > 0) {
    lastAt = now();
    objects.set(key, { at: lastAt, claimed, body: keep ? body : null });
    rows += claimed;
    bytes += body.length;
  } else {
    objects.set(key, { at: now(), claimed, body: null, file: body });
  }
  response.writeHead(200, { etag: '"bench"' }).end();
}

function list(bucket: string, query: URLSearchParams, response: ServerResponse): void {
  const [from, after] = [`${bucket}/${query.get('prefix') ?? ''}`, `${bucket}/${query.get('start-after') ?? ''}`];
  const found = [...objects].filter(([key]) => key.startsWith(from) && key > after);
  const contents = found
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([key, { file, body }]) =>
        `<Contents><Key>${key.slice(bucket.length + 1)}</Key><Size>${(file ?? body)?.length ?? 1}</Size><ETag>"bench"</ETag><LastModified>2026-07-03T00:00:00.000Z</LastModified></Contents>`,
    );
  response.writeHead(200, { 'content-type': 'application/xml' });
  response.end(
    `<ListBucketResult><KeyCount>${found.length}</KeyCount><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`,
  );
}

/** Answers as Splunk's collector does. A webhook looks at the status alone. */
async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = Buffer.concat(await request.toArray());
  if (delayMs > 0) await sleep(delayMs);
  if (body.length > 0) {
    const claimed = countLines(body);
    lastAt = now();
    objects.set(`request ${objects.size}`, { at: lastAt, claimed, body: keep ? body : null });
    rows += claimed;
    bytes += body.length;
  }
  sendJson(response, { text: 'Success', code: 0 });
}

function countLines(body: Buffer): number {
  let lines = body.at(-1) === 10 ? 0 : 1;
  for (let at = body.indexOf(10); at !== -1; at = body.indexOf(10, at + 1)) lines += 1;
  return lines;
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`ready ${(server.address() as AddressInfo).port}\n`);
});
process.once('SIGTERM', () => process.exit());
