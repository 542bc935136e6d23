import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { nearestName } from '@auditbox/core/text/nearest-name.ts';
import type { ConfiguredDestination, DestinationsSettings } from './configured-destination.ts';
import { type ParsedEntry, parseEntry } from './parse-entry.ts';
import { listRepeatedNames } from './repeated-names.ts';

/** What is configured, and everything that is wrong with it, a sentence each. */
export interface ParsedDestinations {
  readonly settings: DestinationsSettings;
  readonly problems: readonly string[];
}

/** The settings that name destinations. Empty texts count as not set. */
export interface DestinationVariables {
  readonly DESTINATIONS_FILE?: string | undefined;
  readonly DESTINATIONS?: readonly string[] | undefined;
  readonly WEBHOOK_URL?: string | undefined;
  readonly WEBHOOK_SECRET?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the file and the variables of the environment. */
export function parseDestinations(variables: DestinationVariables, environment: Environment): ParsedDestinations {
  const problems: string[] = [];
  const all: ConfiguredDestination[] = [];
  const keep = (parsed: ParsedEntry, where: string) => {
    if (!parsed.ok) problems.push(...parsed.problems);
    else if (all.some(({ name }) => name === parsed.destination.name))
      problems.push(`${where}.name is ${JSON.stringify(parsed.destination.name)}; another destination has that name.`);
    else problems.push(...addTo(all, parsed.destination, where));
  };
  const webhook = webhookEntry(variables);
  if (webhook !== null) keep(renameVariables(parseEntry(webhook, 'webhook', environment, '')), 'webhook');
  const { DESTINATIONS_FILE: file } = variables;
  if (file !== undefined) {
    const read = readEntries(file);
    problems.push(...read.problems);
    for (const [index, entry] of read.entries.entries()) {
      const where = `destinations[${index}]`;
      keep(parseEntry(entry, where, environment, resolve(file)), where);
    }
  }
  const names = variables.DESTINATIONS ?? ['s3', ...all.map(({ name }) => name)];
  if (problems.length === 0) problems.push(...findUnknown(names, all));
  return {
    problems,
    settings: { all, served: all.filter(({ name }) => names.includes(name)), servesS3: names.includes('s3') },
  };
}

/** Adds a destination, unless another one has what it alone may have. */
function addTo(all: ConfiguredDestination[], added: ConfiguredDestination, where: string): string[] {
  const { claim } = added;
  const other = all.find((one) => claim !== null && one.type === added.type && one.claim?.value === claim.value);
  if (other !== undefined) return [`${where}.${claim?.key} is that of ${other.name}; each destination needs its own.`];
  all.push(added);
  return [];
}

function webhookEntry({ WEBHOOK_URL: url, WEBHOOK_SECRET: secrets }: DestinationVariables): object | null {
  if (url === undefined && secrets === undefined) return null;
  return {
    name: 'webhook',
    type: 'webhook',
    ...(url !== undefined && { url }),
    ...(secrets !== undefined && { secrets: secrets.split(/[\s,]+/).filter((secret) => secret !== '') }),
  };
}

/** The variables have other names than the keys of the file. */
function renameVariables(parsed: ParsedEntry): ParsedEntry {
  if (parsed.ok) return parsed;
  const rename = (problem: string) =>
    problem.replace(/^webhook\.url/, 'WEBHOOK_URL').replace(/^webhook\.secrets(\[\d\])?/, 'WEBHOOK_SECRET');
  return { ok: false, problems: parsed.problems.map(rename) };
}

function readEntries(file: string): { readonly entries: readonly unknown[]; readonly problems: readonly string[] } {
  const failed = (problem: string) => ({ entries: [], problems: [problem] });
  let text: string;
  let content: unknown;
  try {
    // An editor may begin a file with the mark of its byte order.
    text = readFileSync(file, 'utf8').replace(/^\ufeff/, '');
    content = JSON.parse(text);
  } catch (error) {
    // Node quotes the text around an error, which may be a secret.
    const said = (error as Error).message.replace(/, (?:\.\.\.)?".*$/s, ' is not valid JSON');
    return failed(`DESTINATIONS_FILE is ${JSON.stringify(file)}: ${said}.`);
  }
  const repeated = listRepeatedNames(text).map((at) => `${at} is set twice in DESTINATIONS_FILE.`);
  const { destinations, ...others } = (content ?? {}) as { destinations?: unknown };
  if (!Array.isArray(destinations))
    return failed(`DESTINATIONS_FILE is ${JSON.stringify(file)}; it must hold an object with an array "destinations".`);
  const problems = Object.keys(others).map(
    (key) => `${key}: unknown key in DESTINATIONS_FILE. The only one is destinations.`,
  );
  return { entries: destinations, problems: [...problems, ...repeated] };
}

function findUnknown(names: readonly string[], all: readonly ConfiguredDestination[]): string[] {
  const known = ['s3', ...all.map(({ name }) => name)];
  return names
    .filter((name) => !known.includes(name))
    .map((name) => {
      const nearest = nearestName(name, known);
      const hint = nearest === null ? '' : ` Did you mean ${nearest}?`;
      return `DESTINATIONS names ${JSON.stringify(name)}, which is not configured.${hint}`;
    });
}
