import { isIP } from 'node:net';
import { callerOf, type EventMembers, jsonObject, jsonText, presentMember, textMember } from './event-members.ts';

const ocsfVersion = '1.8.0';

/** Entity Management, of the category Identity & Access Management. */
const classUid = 3004;
const categoryUid = 3;

/** Actions that have an activity. Other actions are 99, with the action as its name. */
const activities: Readonly<Record<string, readonly [id: number, name: string]>> = {
  created: [1, 'Create'],
  read: [2, 'Read'],
  updated: [3, 'Update'],
  deleted: [4, 'Delete'],
  moved: [5, 'Move'],
  enabled: [8, 'Enable'],
  disabled: [9, 'Disable'],
  blocked: [12, 'Suspend'],
  unblocked: [13, 'Resume'],
  rotated: [99, 'Rotate'],
};

const address = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;
const quote = (text: string) => JSON.stringify(text);

/**
 * `ocsf` as the first version wrote it: Entity Management alone, with an attribute that 1.8 does not have. A delivery that was begun
 * in this form goes on in it, because a key always comes with the same bytes.
 */
export function formatOcsfBefore(members: EventMembers): string {
  const action = textMember(members, 'action');
  // Every object has a `constructor`.
  const known = Object.hasOwn(activities, action) ? activities[action] : undefined;
  const [activityId, activityName] = known ?? [99, action];
  const { ip, userAgent } = callerOf(members);
  const before = presentMember(members, 'before_value');
  const after = presentMember(members, 'updated_values');
  const entity = { uid: members.object_id, type: members.table_name, type_id: '99' };
  const isUpdate = before !== undefined && after !== undefined;
  return jsonObject({
    activity_id: String(activityId),
    activity_name: quote(activityName),
    category_uid: String(categoryUid),
    category_name: '"Identity & Access Management"',
    class_uid: String(classUid),
    class_name: '"Entity Management"',
    type_uid: String(classUid * 100 + activityId),
    time: milliseconds(members, 'updated_at'),
    severity_id: '1',
    severity: '"Informational"',
    status_id: '1',
    status: '"Success"',
    metadata: jsonObject({
      version: quote(ocsfVersion),
      uid: members.id,
      product: jsonObject({ name: '"Auditbox"', vendor_name: '"Auditbox"' }),
      original_time: members.updated_at,
      logged_time: milliseconds(members, 'recorded_at'),
    }),
    actor: actorOf(textMember(members, 'changed_by')),
    entity: jsonObject({ ...entity, data: before ?? after }),
    updated_entity: isUpdate ? jsonObject({ ...entity, data: after }) : undefined,
    src_endpoint: isIP(ip) === 0 ? undefined : jsonObject({ ip: quote(ip) }),
    http_request: userAgent === '' ? undefined : jsonObject({ user_agent: quote(userAgent) }),
    unmapped: jsonObject({
      changed_by_api_key: jsonText(textMember(members, 'changed_by_api_key')),
      recorded_by: members.recorded_by,
      tenant: presentMember(members, 'tenant'),
      redacted: presentMember(members, 'redacted'),
    }),
  });
}

function actorOf(changedBy: string): string | undefined {
  if (changedBy === '') return undefined;
  const email = address.test(changedBy) ? quote(changedBy) : undefined;
  return jsonObject({ user: jsonObject({ uid: quote(changedBy), email_addr: email }) });
}

function milliseconds(members: EventMembers, name: string): string {
  return String(Date.parse(textMember(members, name)));
}
