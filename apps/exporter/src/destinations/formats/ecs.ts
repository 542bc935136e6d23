import { isIP } from 'node:net';
import {
  addressText,
  callerOf,
  contextText,
  type EventMembers,
  isOwnRequest,
  jsonObject,
  jsonText,
  presentMember,
  textMember,
} from './event-members.ts';

const ecsVersion = '9.5.0';

const email = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/** Which form of `ecs` a delivery was begun in. In 1 a request to Auditbox was a change that succeeded. */
export type EcsForm = 1 | 2;

/**
 * An event in the Elastic Common Schema, mapped as Elastic's package for LiteLLM maps it. Both values stay whole under
 * `auditbox`; map them as `flattened`, because their fields are arbitrary. A request to Auditbox that it recorded itself is an access,
 * or a denied one.
 */
export function formatEcs(members: EventMembers, form: EcsForm = 2): string {
  const { userAgent } = callerOf(members);
  const changedBy = textMember(members, 'changed_by');
  const request = form === 2 && isOwnRequest(members) ? members : null;
  const user = { id: jsonText(changedBy), email: email.test(changedBy) ? members.changed_by : undefined };
  const ip = form === 1 ? callerOf(members).ip : addressText(members);
  // The type of the field knows no zone.
  const isAddress = isIP(ip) !== 0 && (form === 1 || !ip.includes('%'));
  return jsonObject({
    '@timestamp': members.updated_at,
    ecs: jsonObject({ version: JSON.stringify(ecsVersion) }),
    event: jsonObject({
      id: members.id,
      kind: '"event"',
      ...(request === null ? changeOf(members) : accessOf(request)),
      created: members.recorded_at,
    }),
    user: form === 2 && changedBy === '' ? undefined : jsonObject(user),
    related: changedBy === '' ? undefined : jsonObject({ user: `[${members.changed_by}]` }),
    source: isAddress ? jsonObject({ ip: JSON.stringify(ip) }) : undefined,
    user_agent: userAgent === '' ? undefined : jsonObject({ original: JSON.stringify(userAgent) }),
    ...(request && partsOf(request)),
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

function changeOf(members: EventMembers) {
  const type = JSON.stringify(typesOf(textMember(members, 'action')));
  return { category: '["configuration"]', type, action: members.action, outcome: '"success"' };
}

function accessOf(members: EventMembers) {
  const isDenied = textMember(members, 'action') === 'denied';
  return {
    category: '["api"]',
    type: isDenied ? '["denied"]' : '["access"]',
    action: members.action,
    outcome: isDenied ? '"failure"' : '"success"',
    reason: jsonText(contextText(members, 'reason')),
  };
}

/** The request itself. Its object is the route: `GET /audit`. */
function partsOf(members: EventMembers) {
  const [method = ''] = textMember(members, 'object_id').split(' ');
  const path = jsonText(contextText(members, 'path'));
  const isMethod = /^[A-Z]+$/.test(method);
  return {
    http: isMethod ? jsonObject({ request: jsonObject({ method: JSON.stringify(method) }) }) : undefined,
    url: path && jsonObject({ path, query: jsonText(contextText(members, 'query')) }),
  };
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
