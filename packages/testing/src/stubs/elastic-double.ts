import { arrayElements, objectMembers } from '@auditbox/core/json/json-text.ts';
import type { ReceivedRequest, ReceiverAnswer } from './http-receiver.ts';
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

/* Elasticsearch's bulk API in front of data streams, as its reference describes it. Every index here is a data stream. */

/** A document as it is kept. */
interface StoredDocument {
  /** The backing index, such as `logs-audit/1`. */
  readonly index: string;
  readonly id: string;
  readonly document: JsonObject;
}

/** An error of an item. With `inFailureStore` the item is answered with 201. */
export interface ItemError {
  readonly status: number;
  readonly type: string;
  readonly reason: string;
  readonly inFailureStore?: true;
}

export interface ElasticDouble extends ReceiverDouble<StoredDocument> {
  /** Why an item is not stored, before it is looked at. */
  fail: (item: { readonly id: string; readonly index: string }) => ItemError | null;
  /** Each stream begins a new backing index, in which every id may come again. */
  rollOver(): void;
  /** Ids of the items of each request that it answered item by item. */
  readonly asked: readonly (readonly string[])[];
}

/** `http.max_content_length`. */
const usualBytes = 100 * 1024 * 1024;
const mostIdBytes = 512;
const parameters = [
  '_index',
  '_id',
  'routing',
  'pipeline',
  'require_alias',
  'require_data_stream',
  'dynamic_templates',
];

interface Action {
  readonly index: string;
  readonly id: string;
  readonly isCreate: boolean;
  readonly source: string;
}

export function createElasticDouble(apiKey: string, { maxBytes = usualBytes } = {}): ElasticDouble {
  const stored: StoredDocument[] = [];
  const refusals: string[] = [];
  const asked: string[][] = [];
  const taken = new Set<string>();
  let generation = 1;
  const refuse = (status: number, type: string, reason: string) => {
    refusals.push(reason);
    return answerJson(status, { error: { root_cause: [{ type, reason }], type, reason }, status });
  };

  function store({ index, id, isCreate, source }: Action): JsonObject {
    const failed = double.fail({ index, id });
    const about = { _index: `.ds-${index}-${generation}`, _id: id };
    if (failed?.inFailureStore) return { ...about, status: 201, result: 'created', failure_store: 'used' };
    const error = failed ?? findFault(index, isCreate, source);
    if (error !== null) return { ...about, status: error.status, error: { type: error.type, reason: error.reason } };
    const backing = `${index}/${generation}`;
    if (taken.has(`${backing} ${id}`))
      return {
        ...about,
        status: 409,
        error: { type: 'version_conflict_engine_exception', reason: `[${id}]: document already exists` },
      };
    taken.add(`${backing} ${id}`);
    stored.push({ index: backing, id, document: JSON.parse(source) });
    return { ...about, status: 201, result: 'created', _version: 1, _shards: { total: 2, successful: 1, failed: 0 } };
  }

  function answerBulk(request: ReceivedRequest, url: URL): ReceiverAnswer {
    if (!['application/x-ndjson', 'application/json'].includes(mediaType(request)))
      return refuse(406, 'media_type_header_exception', `Content-Type [${mediaType(request)}] is not supported`);
    const body = unpackBody(request);
    if (body === null) return refuse(400, 'illegal_argument_exception', 'The body cannot be unpacked');
    if (Math.max(body.length, request.bytes.length) > maxBytes)
      return refuse(413, 'content_too_long_exception', `The body has ${body.length} bytes`);
    if (body.length === 0) return refuse(400, 'parse_exception', 'request body is required');
    if (body.at(-1) !== 0x0a)
      return refuse(400, 'illegal_argument_exception', 'The bulk request must be terminated by a newline [\\n]');
    const actions = readActions(body.toString('utf8').slice(0, -1).split('\n'));
    if (typeof actions === 'string') return refuse(400, 'illegal_argument_exception', actions);
    asked.push(actions.map(({ id }) => id));
    const items = actions.map(store);
    const errors = items.some(({ error }) => error !== undefined);
    const wanted = url.searchParams.get('filter_path')?.split(',') ?? null;
    const all = { took: 7, errors, items: items.map((create) => ({ create })) };
    if (wanted === null) return answerJson(200, all);
    const members = wanted.flatMap((path) => /^items\.\*\.(\w+)$/.exec(path)?.[1] ?? []);
    const filtered = items.map((item) => ({
      create: Object.fromEntries(Object.entries(item).filter(([name]) => members.includes(name))),
    }));
    return answerJson(200, { items: filtered });
  }

  const double: ElasticDouble = {
    stored,
    refusals,
    losses: [],
    asked,
    fail: () => null,
    rollOver() {
      generation += 1;
    },
    answer(request) {
      if (request.headers.authorization !== `ApiKey ${apiKey}`)
        return refuse(401, 'security_exception', 'missing or wrong authentication credentials');
      const url = new URL(request.path, 'http://localhost');
      if (url.pathname === '/')
        return answerJson(200, { version: { number: '9.5.0' }, tagline: 'You Know, for Search' });
      if (url.pathname !== '/_bulk') return refuse(404, 'not_found', `no handler found for ${url.pathname}`);
      if (request.method !== 'POST') return refuse(405, 'method_not_allowed', `${request.method} is not allowed`);
      return answerBulk(request, url);
    },
  };
  return double;
}

/** The actions of a request, or why it is refused whole. */
function readActions(lines: readonly string[]): Action[] | string {
  const actions: Action[] = [];
  for (let at = 0; at < lines.length; at += 2) {
    const line = at + 1;
    const given = tryJson(lines[at] ?? '');
    if (!isJsonObject(given)) return `Malformed action/metadata line [${line}], expected START_OBJECT`;
    const [[name, target] = ['', null], ...others] = Object.entries(given);
    if (others.length > 0 || !['create', 'index'].includes(name) || !isJsonObject(target))
      return `Malformed action/metadata line [${line}], expected one action of create or index`;
    const unknown = Object.keys(target).find((parameter) => !parameters.includes(parameter));
    if (unknown !== undefined) return `Action/metadata line [${line}] contains an unknown parameter [${unknown}]`;
    const { _index: index, _id: id } = target;
    if (typeof index !== 'string' || index === '') return 'Validation Failed: 1: index is missing;';
    if (typeof id !== 'string' || id === '' || Buffer.byteLength(id) > mostIdBytes)
      return `Validation Failed: 1: id [${id}] is missing or longer than 512 bytes;`;
    const source = lines[at + 1];
    if (source === undefined) return `The action/metadata line [${line}] has no source`;
    actions.push({ index, id, isCreate: name === 'create', source });
  }
  return actions;
}

const indexName = /^(?![-_+])(?!\.{1,2}$)[^\\/*?"<>| ,#:A-Z]{1,255}$/;

function findFault(index: string, isCreate: boolean, source: string): ItemError | null {
  const bad = (type: string, reason: string): ItemError => ({ status: 400, type, reason });
  if (!indexName.test(index)) return bad('invalid_index_name_exception', `Invalid index name [${index}]`);
  if (!isCreate)
    return bad('illegal_argument_exception', 'only write ops with an op_type of create are allowed in data streams');
  const document = tryJson(source);
  if (!isJsonObject(document)) return bad('document_parsing_exception', 'failed to parse: not an object');
  const repeated = findRepeatedName(source);
  if (repeated !== null) return bad('x_content_parse_exception', `Duplicate field '${repeated}'`);
  if (document['@timestamp'] === undefined)
    return bad('document_parsing_exception', 'data stream timestamp field [@timestamp] is missing');
  if (readTime(document['@timestamp']) === null)
    return bad('document_parsing_exception', 'failed to parse field [@timestamp] of type [date]');
  return null;
}

/** It refuses an object that has a name twice, at any depth. */
function findRepeatedName(text: string): string | null {
  const nested = ({ start, end }: { start: number; end: number }) => findRepeatedName(text.slice(start, end));
  if (text.startsWith('[')) return first(arrayElements(text).map(nested));
  if (!text.startsWith('{')) return null;
  const members = objectMembers(text);
  const names = members.map(({ name }) => name);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  return repeated ?? first(members.map(({ value }) => nested(value)));
}

function first(found: readonly (string | null)[]): string | null {
  return found.find((one) => one !== null) ?? null;
}
