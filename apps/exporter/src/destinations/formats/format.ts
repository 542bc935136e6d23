import { type EcsForm, formatEcs } from './ecs.ts';
import { type EventMembers, eventMembers, jsonObject } from './event-members.ts';
import { formatLitellm } from './litellm.ts';
import { formatOcsf, type OcsfForm } from './ocsf.ts';
import { formatOcsfBefore } from './ocsf-before.ts';

/** How an event is written for a receiver. `auditbox` is the form of the api and of the objects in S3. */
export const formatNames = ['auditbox', 'litellm', 'ecs', 'ocsf'] as const;
export type FormatName = (typeof formatNames)[number];

/** Fields that a destination may do without. They may hold what a receiver outside must not see. */
export const omissibleFields = ['before_value', 'updated_values', 'context'] as const;
export type OmissibleField = (typeof omissibleFields)[number];

/** The forms of formats that have changed. */
export interface Forms {
  readonly ecs: EcsForm;
  readonly ocsf: OcsfForm;
}

const newestForms: Forms = { ecs: 2, ocsf: 3 };

/** Turns an event's line into the line of a format. An omitted field is null. A delivery goes on in the form that it was begun in. */
export function createFormatter(
  name: FormatName,
  omitted: readonly OmissibleField[],
  forms = newestForms,
): (line: string) => string {
  if (name === 'auditbox' && omitted.length === 0) return (line) => line;
  const nulls = Object.fromEntries(omitted.map((field) => [field, 'null']));
  const format = formatterOf(name, forms);
  return (line) => format({ ...eventMembers(line), ...nulls });
}

function formatterOf(name: FormatName, { ecs, ocsf }: Forms): (members: EventMembers) => string {
  switch (name) {
    case 'auditbox':
      return jsonObject;
    case 'litellm':
      return formatLitellm;
    case 'ecs':
      return (members) => formatEcs(members, ecs);
    case 'ocsf':
      return ocsf === 1 ? formatOcsfBefore : (members) => formatOcsf(members, ocsf);
    default:
      return name satisfies never;
  }
}
