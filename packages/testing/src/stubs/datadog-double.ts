import { arrayElements } from '@auditbox/core/json/json-text.ts';
import {
  answerJson,
  isJsonObject,
  type JsonObject,
  mediaType,
  type ReceiverDouble,
  readTime,
  tryJson,
  unpackBody,
} from './receiver-double.ts';

/* Datadog's intake of logs by HTTP, version 2, as "Send logs" of its API reference describes it. */

const mostBytes = 5_000_000;
const mostEntries = 1_000;
const mostEntryBytes = 1_000_000;
const oldestMs = 18 * 3_600_000;
const reserved = ['ddsource', 'ddtags', 'hostname', 'service', 'status'] as const;

/** `now`: its clock. */
export function createDatadogDouble(apiKey: string, now: () => number = Date.now): ReceiverDouble<JsonObject> {
  const stored: JsonObject[] = [];
  const refusals: string[] = [];
  const losses: string[] = [];
  const refuse = (status: number, detail: string) => {
    refusals.push(detail);
    return answerJson(status, { errors: [{ status: String(status), title: 'Refused', detail }] });
  };

  return {
    stored,
    refusals,
    losses,
    answer(request) {
      const { method, path, headers } = request;
      if (path.split('?')[0] !== '/api/v2/logs') return refuse(404, `There is no ${path}.`);
      if (method !== 'POST') return refuse(405, `${method} is not allowed.`);
      const key = headers['dd-api-key'];
      if (key === undefined) return refuse(401, 'The API key is missing.');
      if (key !== apiKey) return refuse(403, 'The API key is invalid.');
      if (mediaType(request) !== 'application/json') return refuse(400, `The body is ${mediaType(request)}.`);
      const body = unpackBody(request);
      if (body === null) return refuse(400, 'The body cannot be unpacked.');
      // The limit is that of the uncompressed body.
      if (body.length > mostBytes) return refuse(413, `The body has ${body.length} bytes.`);
      const text = body.toString('utf8');
      const entries = tryJson(text);
      if (!Array.isArray(entries)) return refuse(400, 'The body is not a JSON array.');
      if (entries.length > mostEntries) return refuse(413, `The body has ${entries.length} entries.`);
      const faults = entries.flatMap((entry, index) => findFaults(entry).map((fault) => `[${index}]: ${fault}`));
      if (faults.length > 0) return refuse(400, faults.join(' '));
      for (const [index, { start, end }] of arrayElements(text).entries())
        losses.push(...findLosses(entries[index], Buffer.byteLength(text.slice(start, end)), now()));
      stored.push(...entries);
      return answerJson(202, {});
    },
  };
}

function findFaults(entry: unknown): string[] {
  if (!isJsonObject(entry)) return ['It is not an object.'];
  const texts = reserved.filter((name) => entry[name] !== undefined && typeof entry[name] !== 'string');
  const faults = texts.map((name) => `${name} is not a text.`);
  return typeof entry.message === 'string' ? faults : [...faults, 'message is not a text.'];
}

/** It cuts a long entry, and files an entry without a readable time, or with one that is too old, under the time of arrival or nowhere. */
function findLosses({ id, timestamp }: JsonObject, bytes: number, now: number): string[] {
  const losses: string[] = [];
  if (bytes > mostEntryBytes) losses.push(`${id} has ${bytes} bytes and is cut.`);
  const at = readTime(timestamp);
  if (at === null) losses.push(`${id} has the time ${timestamp}, which nobody can read.`);
  else if (at < now - oldestMs) losses.push(`${id} is of ${timestamp}, which is too old.`);
  return losses;
}
