import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/* Compares a batch with what the CloudEvents specification publishes about attributes, from a table of facts. */

interface Facts {
  readonly version: string;
  readonly required: readonly string[];
  readonly attributes: Readonly<Record<string, object>>;
  readonly nameOfAnAttribute: string;
  readonly contentTypeOfABatch: string;
}

const facts: Facts = JSON.parse(readFileSync(new URL('./cloudevents-1.0.json', import.meta.url), 'utf8'));
const ajv = new Ajv2020({ allErrors: true });
addFormats.default(ajv);
const isBatch = ajv.compile({
  type: 'array',
  items: {
    type: 'object',
    required: facts.required,
    properties: facts.attributes,
    propertyNames: { pattern: facts.nameOfAnAttribute },
  },
});
const forbidden = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** What is wrong with a batch in the JSON format. */
export function checkCloudEvents(contentType: string, body: string): readonly string[] {
  const batch: Readonly<Record<string, unknown>>[] = JSON.parse(body);
  const problems = isBatch(batch)
    ? []
    : (isBatch.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  if (contentType !== facts.contentTypeOfABatch) problems.push(`the content type is ${contentType}`);
  for (const { data: _, ...attributes } of batch) {
    if (attributes.specversion !== facts.version) problems.push(`specversion is ${attributes.specversion}`);
    for (const [name, value] of Object.entries(attributes))
      if (typeof value !== 'string' || forbidden.test(value)) problems.push(`${name} is ${JSON.stringify(value)}`);
  }
  return problems;
}
