import { isIP } from 'node:net';
import { callerOf, type EventMembers, jsonObject, jsonText, presentMember, textMember } from './event-members.ts';

const ecsVersion = '9.5.0';

const address = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/**
 * An event in the Elastic Common Schema, mapped as Elastic's package for LiteLLM maps it. Both values stay whole under
 * `auditbox`; map them as `flattened`, because their fields are arbitrary.
 */
export function formatEcs(members: EventMembers): string {
  const { ip, userAgent } = callerOf(members);
  const changedBy = textMember(members, 'changed_by');
  return jsonObject({
    '@timestamp': members.updated_at,
    ecs: jsonObject({ version: JSON.stringify(ecsVersion) }),
    event: jsonObject({
      id: members.id,
      kind: '"event"',
      category: '["configuration"]',
      type: JSON.stringify(typesOf(textMember(members, 'action'))),
      action: members.action,
      created: members.recorded_at,
      outcome: '"success"',
    }),
    user: jsonObject({ id: jsonText(changedBy), email: address.test(changedBy) ? members.changed_by : undefined }),
    related: changedBy === '' ? undefined : jsonObject({ user: `[${members.changed_by}]` }),
    source: isIP(ip) === 0 ? undefined : jsonObject({ ip: JSON.stringify(ip) }),
    user_agent: userAgent === '' ? undefined : jsonObject({ original: JSON.stringify(userAgent) }),
    labels: labelsOf(members),
    auditbox: jsonObject({
      table: members.table_name,
      object_id: members.object_id,
      before: presentMember(members, 'before_value'),
      after: presentMember(members, 'updated_values'),
      recorded_by: members.recorded_by,
      tenant: presentMember(members, 'tenant'),
      redacted: presentMember(members, 'redacted'),
    }),
  });
}

function typesOf(action: string): string[] {
  return [
    'change',
    ...(action.includes('created') ? ['creation'] : []),
    ...(action.includes('deleted') ? ['deletion'] : []),
  ];
}

function labelsOf(members: EventMembers): string | undefined {
  const key = jsonText(textMember(members, 'changed_by_api_key'));
  return key === undefined ? undefined : jsonObject({ api_key_hash: key });
}
