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
import { activityOfAction, activityOfMethod, type OcsfActivity } from './ocsf-activity.ts';

const ocsfVersion = '1.8.0';

/** A class of the framework. */
interface OcsfClass {
  readonly uid: number;
  readonly name: string;
  readonly categoryUid: number;
  readonly categoryName: string;
}

const entityManagement: OcsfClass = {
  uid: 3004,
  name: 'Entity Management',
  categoryUid: 3,
  categoryName: 'Identity & Access Management',
};
const apiActivity: OcsfClass = {
  uid: 6003,
  name: 'API Activity',
  categoryUid: 6,
  categoryName: 'Application Activity',
};

/** What the framework's types of an IP address and of an email address accept. */
const longestAddress = 40;
const email = /^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$/;
/** The methods that the framework lists. */
const knownMethod = /^(?:CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)$/;
const quote = (text: string) => JSON.stringify(text);

/** Which form of `ocsf` a delivery was begun in. 1 is that of `formatOcsfBefore`, and 2 has no `Additions`. */
export type OcsfForm = 1 | 2 | 3;

/** Attributes that `ocsf` has from its third form on, as JSON text. */
interface Additions {
  readonly reporter?: string | undefined;
  readonly url?: string | undefined;
  readonly count?: string | undefined;
  readonly start_time?: string | undefined;
}

/** What a record has in addition to the event's members. */
interface Derived {
  readonly actor: string | undefined;
  readonly ip: string | undefined;
  readonly additions: Additions;
}

/**
 * An event in the Open Cybersecurity Schema Framework 1.8. A request to Auditbox that it recorded itself is API Activity (class 6003),
 * if the caller and its address are known, because the class requires both. Every other event is Entity Management (class 3004).
 */
export function formatOcsf(members: EventMembers, form: Exclude<OcsfForm, 1> = 3): string {
  const isRequest = isOwnRequest(members);
  const ip = addressOf(addressText(members));
  const actor = actorOf(textMember(members, 'changed_by'));
  const additions = form === 2 ? {} : findAdditions(members, isRequest);
  if (isRequest && ip !== undefined && actor !== undefined) return formatRequest(members, { actor, ip, additions });
  return formatChange(members, { actor, ip, additions });
}

function findAdditions(members: EventMembers, isRequest: boolean): Additions {
  const recordedBy = jsonText(textMember(members, 'recorded_by'));
  const reporter = recordedBy && jsonObject({ name: recordedBy });
  if (!isRequest) return { reporter };
  const context: unknown = JSON.parse(members.context ?? 'null');
  const { count } = (context ?? {}) as { readonly count?: unknown };
  const path = jsonText(contextText(members, 'path'));
  const startedAt = Date.parse(contextText(members, 'first_at'));
  return {
    reporter,
    url: path && jsonObject({ path, query_string: jsonText(contextText(members, 'query')) }),
    count: Number.isSafeInteger(count) ? String(count) : undefined,
    start_time: Number.isNaN(startedAt) ? undefined : String(startedAt),
  };
}

function formatChange(members: EventMembers, { actor, ip, additions }: Derived): string {
  const { userAgent } = callerOf(members);
  const before = presentMember(members, 'before_value');
  const after = presentMember(members, 'updated_values');
  const entity = { uid: members.object_id, type: members.table_name, type_id: '99' };
  const isUpdate = before !== undefined && after !== undefined;
  return jsonObject({
    ...classified(members, entityManagement, activityOfAction(textMember(members, 'action')), additions),
    actor,
    entity: jsonObject({ ...entity, data: before ?? after }),
    entity_result: isUpdate ? jsonObject({ ...entity, data: after }) : undefined,
    src_endpoint: ip === undefined ? undefined : jsonObject({ ip }),
    http_request: userAgent === '' ? undefined : jsonObject({ user_agent: quote(userAgent) }),
    unmapped: jsonObject({
      changed_by_api_key: jsonText(textMember(members, 'changed_by_api_key')),
      ...unmapped(members),
    }),
  });
}

/** A read or a denied request. Its object is the route: `GET /audit`. */
function formatRequest(members: EventMembers, { actor, ip, additions }: Derived): string {
  const [method = ''] = textMember(members, 'object_id').split(' ');
  const path = contextText(members, 'path');
  const keyId = textMember(members, 'changed_by_api_key');
  const { url } = additions;
  const http_method = knownMethod.test(method) ? quote(method) : undefined;
  return jsonObject({
    ...classified(members, apiActivity, activityOfMethod(method), additions),
    actor,
    api: jsonObject({
      operation: members.object_id,
      service: '{"name":"Auditbox"}',
      token: keyId === '' ? undefined : jsonObject({ uid: quote(keyId), type_id: '7', type: '"API Token"' }),
    }),
    src_endpoint: jsonObject({ ip }),
    http_request: http_method === undefined && url === undefined ? undefined : jsonObject({ http_method, url }),
    resources: path === '' ? undefined : `[${jsonObject({ name: quote(path) })}]`,
    unmapped: jsonObject({ context: members.context, ...unmapped(members) }),
  });
}

/** What every class has. */
function classified(members: EventMembers, of: OcsfClass, { id, name }: OcsfActivity, additions: Additions) {
  const { reporter, count, start_time } = additions;
  const isDenied = textMember(members, 'action') === 'denied';
  return {
    activity_id: String(id),
    activity_name: quote(name),
    category_uid: String(of.categoryUid),
    category_name: quote(of.categoryName),
    class_uid: String(of.uid),
    class_name: quote(of.name),
    type_uid: String(of.uid * 100 + id),
    time: milliseconds(members, 'updated_at'),
    start_time,
    count,
    severity_id: '1',
    severity: '"Informational"',
    status_id: isDenied ? '2' : '1',
    status: isDenied ? '"Failure"' : '"Success"',
    status_detail: isDenied ? jsonText(contextText(members, 'reason')) : undefined,
    metadata: jsonObject({
      version: quote(ocsfVersion),
      uid: members.id,
      product: jsonObject({ name: '"Auditbox"', vendor_name: '"Auditbox"' }),
      reporter,
      tenant_uid: jsonText(textMember(members, 'tenant')),
      original_time: members.updated_at,
      logged_time: milliseconds(members, 'recorded_at'),
    }),
  };
}

function unmapped(members: EventMembers) {
  return { recorded_by: members.recorded_by, redacted: presentMember(members, 'redacted') };
}

function addressOf(text: string): string | undefined {
  return isIP(text) === 0 || text.length > longestAddress ? undefined : quote(text);
}

function actorOf(changedBy: string): string | undefined {
  if (changedBy === '') return undefined;
  const address = email.test(changedBy) ? quote(changedBy) : undefined;
  return jsonObject({ user: jsonObject({ uid: quote(changedBy), email_addr: address }) });
}

function milliseconds(members: EventMembers, name: string): string {
  return String(Date.parse(textMember(members, name)));
}
