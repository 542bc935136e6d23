import { type KeyBounds, keyBoundsSchema, newKeySchema, tenantSchema } from '@auditbox/core/keys/key-bounds.ts';
import { type Grant, grants, isGrant } from '@auditbox/core/keys/scopes.ts';
import { withCommands } from '@auditbox/process/with-commands.ts';
import { Command, InvalidArgumentError, Option } from 'commander';

/** A key as the command line describes it. */
interface KeyOptions {
  readonly name: string;
  readonly scopes: readonly Grant[];
  readonly tenant: string | null;
  readonly bounds: KeyBounds;
  /** How long it is valid; null for ever. */
  readonly expiresInMs: number | null;
}

interface Format {
  /** Whether to print one JSON object. */
  readonly json: boolean;
}

/** The key that a command is about. Keys of several tenants may have one name. */
export type ChosenKey = { readonly name: string; readonly id: null } | { readonly name: null; readonly id: string };

/** The commands of `npm run keys`. */
export interface KeyCommands {
  create(options: KeyOptions & Format): Promise<void>;
  list(format: Format): Promise<void>;
  rotate(options: Format & { readonly chosen: ChosenKey; readonly overlapMs: number }): Promise<void>;
  revoke(options: Format & { readonly chosen: ChosenKey }): Promise<void>;
}

interface CreateFlags {
  readonly name: string;
  readonly scope: readonly Grant[];
  readonly tenant?: string;
  readonly expiresIn?: number;
  readonly changedBy?: string[];
  readonly table?: string[];
  readonly action?: string[];
  readonly oldestDays?: number;
  readonly address?: string[];
  readonly signsKeys?: true;
  readonly json: boolean;
}

/** The command line of `npm run keys`. commander prints errors and `--help`. */
export function keysCli(commands: KeyCommands): Command {
  const cli = new Command(withCommands('npm run keys --')).description(
    'Creates, lists, rotates and revokes keys of the api. Each change is an audit event.',
  );
  cli
    .command('create')
    .description('Create a key. It is shown once; only its hash is stored.')
    .requiredOption('--name <name>', 'the purpose of the key', parseName)
    .requiredOption('--scope <scopes>', `one or several of ${grants.join(', ')}, separated by commas`, parseScopes)
    .option('--tenant <tenant>', 'the only tenant that the key reads and writes', parseTenant)
    .option('--expires-in <time>', 'how long the key is valid: 90d, 12h, 30m', parseLifetime)
    .option('--changed-by <patterns>', 'who its events may name as author: svc-*,cron', splitWords)
    .option('--table <patterns>', 'the kinds of objects that its events may be about', splitWords)
    .option('--action <patterns>', 'the actions that its events may have', splitWords)
    .option('--oldest-days <days>', 'how many days ago its events may have happened', parseDays)
    .option('--address <networks>', 'where its requests may come from: 10.0.0.0/8,192.0.2.7', splitWords)
    .addOption(new Option('--signs-keys', 'its events may name any API key in changed_by_api_key'))
    .option('--json', 'print the id, the name, the scopes and the key as one JSON object', false)
    .action((flags: CreateFlags) => commands.create({ ...toKeyOptions(flags), json: flags.json }));
  cli
    .command('list')
    .description('List all keys: names, scopes and times, never the keys.')
    .option('--json', 'as JSON, with every property', false)
    .action((format: Format) => commands.list(format));
  cli
    .command('rotate')
    .description('Give a key a new secret with the same rights. The old one goes on for the overlap.')
    .option('--name <name>', 'the name of the key')
    .option('--id <id>', 'its id instead, when keys of several tenants have the name', parseId)
    .option('--overlap <time>', 'how long the old secret stays valid: 24h, 30m, 0s', parseDuration, 86_400_000)
    .option('--json', 'print the id, the name and the key as one JSON object', false)
    .action(({ overlap, json, ...key }: Format & KeyFlags & { overlap: number }) =>
      commands.rotate({ chosen: choose(key, cli), overlapMs: overlap, json }),
    );
  cli
    .command('revoke')
    .description('Revoke a key with all its secrets. The api rejects it within 5 seconds.')
    .option('--name <name>', 'the name of the key')
    .option('--id <id>', 'its id instead, when keys of several tenants have the name', parseId)
    .option('--json', 'print the id and the name as one JSON object', false)
    .action(({ json, ...key }: Format & KeyFlags) => commands.revoke({ chosen: choose(key, cli), json }));
  return cli;
}

function toKeyOptions(flags: CreateFlags): KeyOptions {
  const { changedBy, table, action, oldestDays, address, signsKeys } = flags;
  const bounds = keyBoundsSchema.safeParse({
    changed_by: changedBy,
    table_name: table,
    action,
    oldest_event_days: oldestDays,
    addresses: address,
    signs_keys: signsKeys,
  });
  if (!bounds.success) throw new InvalidArgumentError(bounds.error.issues.map(({ message }) => message).join('; '));
  return {
    name: flags.name,
    scopes: flags.scope,
    tenant: flags.tenant ?? null,
    // Options that were not given are left out of what is stored.
    bounds: JSON.parse(JSON.stringify(bounds.data)),
    expiresInMs: flags.expiresIn ?? null,
  };
}

interface KeyFlags {
  readonly name?: string;
  readonly id?: string;
}

function choose({ name, id }: KeyFlags, cli: Command): ChosenKey {
  if (name !== undefined && id === undefined) return { name, id: null };
  if (id !== undefined && name === undefined) return { name: null, id };
  return cli.error('error: give either --name or --id');
}

function parseId(text: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError('It must be the id of a key, as `list --json` shows it.');
}

function parseName(text: string): string {
  if (newKeySchema.shape.name.safeParse(text).success) return text;
  throw new InvalidArgumentError(
    'It must be 1 to 128 characters on one line, without control or invisible characters.',
  );
}

function parseTenant(text: string): string {
  if (tenantSchema.safeParse(text).success) return text;
  throw new InvalidArgumentError('It must be 1 to 128 characters without control or invisible characters.');
}

function parseScopes(text: string): Grant[] {
  const scopes = [...new Set(splitWords(text))];
  if (scopes.every(isGrant)) return scopes;
  throw new InvalidArgumentError(`It must be one or several of ${grants.join(', ')}, separated by commas.`);
}

function splitWords(text: string): string[] {
  return text.split(',').map((word) => word.trim());
}

function parseDays(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a number of days.');
}

/** A key that is expired from the beginning would look like a key that works. */
function parseLifetime(text: string): number {
  const ms = parseDuration(text);
  if (ms > 0) return ms;
  throw new InvalidArgumentError('It must be longer than nothing, such as 90d.');
}

const unitMs = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;

function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([dhms])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return Number(count) * unitMs[unit as keyof typeof unitMs];
  throw new InvalidArgumentError('It must be a number with d, h, m or s, such as 90d.');
}
