import type { Row } from '@auditbox/destination-kit/destination.ts';

/** What one request of a webhook holds. Standard Webhooks knows one event; the others are for receivers that ask for many. */
export const bodyNames = ['event', 'array', 'ndjson', 'cloudevents-batch'] as const;
export type BodyName = (typeof bodyNames)[number];

/** How rows become a body. */
export interface WebhookBody {
  readonly contentType: string;
  readonly maxRows: number;
  /** What a body of several rows has in addition to them. */
  readonly envelopeBytes: number;
  /** What a row adds to a body in addition to its line. */
  readonly extraBytes: (row: Row) => number;
  /** The body, as texts that follow each other. */
  readonly write: (rows: readonly Row[]) => readonly string[];
}

const manyRows = 1_000;
/** An array has a byte more than a comma for each row. */
const arrayBytes = 1;

export function createBody(name: BodyName, source: string): WebhookBody {
  switch (name) {
    case 'event':
      return {
        contentType: 'application/json',
        maxRows: 1,
        envelopeBytes: 0,
        extraBytes: () => 0,
        write: (rows) => rows.map(standardEvent),
      };
    case 'array':
      return {
        contentType: 'application/json',
        maxRows: manyRows,
        envelopeBytes: arrayBytes,
        extraBytes: () => 1,
        write: (rows) => jsonArray(rows.map(({ line }) => line)),
      };
    case 'ndjson':
      return {
        contentType: 'application/x-ndjson',
        maxRows: manyRows,
        envelopeBytes: 0,
        extraBytes: () => 1,
        write: (rows) => rows.flatMap(({ line }) => [line, '\n']),
      };
    case 'cloudevents-batch':
      return {
        contentType: 'application/cloudevents-batch+json',
        maxRows: manyRows,
        envelopeBytes: arrayBytes,
        extraBytes: (row) => Buffer.byteLength(cloudEvent(row, source)) - Buffer.byteLength(row.line) + 1,
        write: (rows) => jsonArray(rows.map((row) => cloudEvent(row, source))),
      };
    default:
      return name satisfies never;
  }
}

function jsonArray(elements: readonly string[]): string[] {
  return ['[', ...elements.flatMap((element, index) => (index === 0 ? [element] : [',', element])), ']'];
}

/** The payload that Standard Webhooks advises. */
function standardEvent({ action, occurredAt, line }: Row): string {
  return `{"type":"audit.${typeName(action)}","timestamp":"${occurredAt}","data":${line}}`;
}

/** What no attribute of a CloudEvent may hold. */
const forbidden = /[\p{Cc}\p{Noncharacter_Code_Point}]/gu;

function cloudEvent({ id, action, tableName, objectId, occurredAt, recordedAt, line }: Row, source: string): string {
  const about = {
    specversion: '1.0',
    id,
    source,
    type: `auditbox.audit.${typeName(action)}`,
    subject: `${tableName}/${objectId}`.replaceAll(forbidden, encodeURIComponent),
    time: occurredAt,
    recordedtime: recordedAt,
    datacontenttype: 'application/json',
  };
  return `${JSON.stringify(about).slice(0, -1)},"data":${line}}`;
}

/** A type may have letters, digits, _ and full stops. */
function typeName(action: string): string {
  return action.replaceAll(/[^A-Za-z0-9_]+/g, '_') || 'event';
}
