import { formatEcs } from './ecs.ts';
import { type EventMembers, eventMembers, jsonObject } from './event-members.ts';
import { formatLitellm } from './litellm.ts';
import { formatOcsf } from './ocsf.ts';
import { formatOcsfBefore } from './ocsf-before.ts';

/** How an event is written for a receiver. `auditbox` is the form of the api and of the objects in S3. */
export const formatNames = ['auditbox', 'litellm', 'ecs', 'ocsf'] as const;
export type FormatName = (typeof formatNames)[number];

/** Fields that a destination may do without. They may hold what a receiver outside must not see. */
export const omissibleFields = ['before_value', 'updated_values', 'context'] as const;
export type OmissibleField = (typeof omissibleFields)[number];

const formatters: { readonly [Name in FormatName]: (members: EventMembers) => string } = {
  auditbox: jsonObject,
  litellm: formatLitellm,
  ecs: formatEcs,
  ocsf: formatOcsf,
};

/**
 * Turns an event's line into the line of a format. An omitted field is null. `followsOcsf18` is false for what was begun by a version
 * that wrote `ocsf` in another form.
 */
export function createFormatter(
  name: FormatName,
  omitted: readonly OmissibleField[],
  followsOcsf18 = true,
): (line: string) => string {
  if (name === 'auditbox' && omitted.length === 0) return (line) => line;
  const nulls = Object.fromEntries(omitted.map((field) => [field, 'null']));
  const format = name === 'ocsf' && !followsOcsf18 ? formatOcsfBefore : formatters[name];
  return (line) => format({ ...eventMembers(line), ...nulls });
}
