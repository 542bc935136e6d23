import {
  answerJson,
  isJsonObject,
  type JsonObject,
  mediaType,
  type ReceiverDouble,
  tryJson,
  unpackBody,
} from './receiver-double.ts';

/*
 * A collector of OpenTelemetry logs over HTTP in JSON, as the OTLP specification 1.x and its messages for protocol buffers describe it. A
 * real one ignores fields that it does not know, which would lose what they hold; this one refuses them.
 */

/** How a collector is set up. */
export interface CollectorSetup {
  /** A longer body is refused with 413. The default is that of the OpenTelemetry collector. */
  readonly maxBytes?: number;
  /** Why it rejects a record of a request that it takes, or null. The answer is a partial success, without naming the record. */
  readonly reject?: (record: JsonObject) => string | null;
  /** What it says to a request that it takes whole. */
  readonly warning?: string;
}

const usualBytes = 20 * 1024 * 1024;

export function createOtlpDouble({
  maxBytes = usualBytes,
  reject = () => null,
  warning,
}: CollectorSetup = {}): ReceiverDouble<JsonObject> {
  const stored: JsonObject[] = [];
  const refusals: string[] = [];
  const refuse = (status: number, message: string) => {
    refusals.push(message);
    return answerJson(status, { code: 3, message });
  };
  return {
    stored,
    refusals,
    losses: [],
    answer(request) {
      const { method, path } = request;
      if (path !== '/v1/logs') return refuse(404, `There is no ${path}.`);
      if (method !== 'POST') return refuse(405, `${method} is not allowed.`);
      if (mediaType(request) !== 'application/json') return refuse(415, `The body is ${mediaType(request)}.`);
      const body = unpackBody(request);
      if (body === null) return refuse(400, 'The body cannot be unpacked.');
      if (body.length > maxBytes) return refuse(413, `The body has ${body.length} bytes.`);
      const given = tryJson(body.toString('utf8'));
      const faults = exportLogsRequest(given, 'request');
      if (faults.length > 0) return refuse(400, faults.join(' '));
      const records = recordsOf(given as JsonObject);
      const reasons = records.map(reject);
      stored.push(...records.filter((_, index) => reasons[index] === null));
      const [first] = reasons.filter((reason) => reason !== null);
      const rejected = reasons.filter((reason) => reason !== null).length;
      if (first !== undefined)
        // A number of 64 bits is a text.
        return answerJson(200, { partialSuccess: { rejectedLogRecords: String(rejected), errorMessage: first } });
      return answerJson(200, warning === undefined ? {} : { partialSuccess: { errorMessage: warning } });
    },
  };
}

function recordsOf(request: JsonObject): JsonObject[] {
  const list = (of: JsonObject, name: string) => (of[name] ?? []) as readonly JsonObject[];
  return list(request, 'resourceLogs')
    .flatMap((one) => list(one, 'scopeLogs'))
    .flatMap((one) => list(one, 'logRecords'));
}

/** What is wrong with a value, a sentence each. */
type Check = (value: unknown, at: string) => string[];

const when =
  (isRight: (value: unknown) => boolean, what: string): Check =>
  (value, at) =>
    isRight(value) ? [] : [`${at} is not ${what}.`];
const text = when((value) => typeof value === 'string', 'a text');
const isDecimal = (value: unknown, least: bigint, most: bigint) =>
  typeof value === 'string' && /^-?\d{1,20}$/.test(value) && BigInt(value) >= least && BigInt(value) <= most;
const fixed64 = when((value) => isDecimal(value, 1n, 2n ** 64n - 1n), 'a decimal text of 64 bits above 0');
const int64 = when((value) => isDecimal(value, -(2n ** 63n), 2n ** 63n - 1n), 'a decimal text of 64 bits');
const uint32 = when((value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 32, 'of 32 bits');
const severity = when(
  (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 24,
  'the number of a severity',
);
const double = when((value) => typeof value === 'number', 'a number');
const bool = when((value) => typeof value === 'boolean', 'true or false');
/** In hexadecimal digits, not in base64 as JSON of protocol buffers usually has bytes. All zeros is not valid. */
const idOf = (bytes: number) =>
  when(
    (value) =>
      typeof value === 'string' && /^[0-9a-f]+$/i.test(value) && value.length === 2 * bytes && /[^0]/.test(value),
    `${bytes} bytes in hexadecimal digits`,
  );

const list =
  (of: Check): Check =>
  (value, at) =>
    Array.isArray(value)
      ? value.flatMap((element, index) => of(element, `${at}[${index}]`))
      : [`${at} is not an array.`];

const message =
  (fields: () => Readonly<Record<string, Check>>): Check =>
  (value, at) => {
    if (!isJsonObject(value)) return [`${at} is not an object.`];
    const known = fields();
    return Object.entries(value).flatMap(
      ([name, field]) => known[name]?.(field, `${at}.${name}`) ?? [`${at}.${name} is not a field.`],
    );
  };

const oneValue = message(() => ({
  stringValue: text,
  boolValue: bool,
  intValue: int64,
  doubleValue: double,
  arrayValue: message(() => ({ values: list(anyValue) })),
  kvlistValue: message(() => ({ values: attributes })),
  bytesValue: text,
}));

const anyValue: Check = (value, at) => [
  ...oneValue(value, at),
  ...(isJsonObject(value) && Object.keys(value).length > 1 ? [`${at} has more than one value.`] : []),
];

const keyValue = message(() => ({ key: text, value: anyValue }));

const attributes: Check = (value, at) => {
  const faults = list(keyValue)(value, at);
  if (faults.length > 0) return faults;
  const keys = (value as readonly JsonObject[]).map(({ key }) => key);
  if (keys.some((key) => key === undefined || key === '')) return [`${at} has an attribute without a key.`];
  return new Set(keys).size === keys.length ? [] : [`${at} has a key twice.`];
};

const logRecord = message(() => ({
  timeUnixNano: fixed64,
  observedTimeUnixNano: fixed64,
  severityNumber: severity,
  severityText: text,
  eventName: text,
  body: anyValue,
  attributes,
  droppedAttributesCount: uint32,
  flags: uint32,
  traceId: idOf(16),
  spanId: idOf(8),
}));

const scope = message(() => ({ name: text, version: text, attributes, droppedAttributesCount: uint32 }));
const scopeLogs = message(() => ({ scope, logRecords: list(logRecord), schemaUrl: text }));
const resource = message(() => ({ attributes, droppedAttributesCount: uint32 }));
const resourceLogs = message(() => ({ resource, scopeLogs: list(scopeLogs), schemaUrl: text }));
const exportLogsRequest = message(() => ({ resourceLogs: list(resourceLogs) }));
