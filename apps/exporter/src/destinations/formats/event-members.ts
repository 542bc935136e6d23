import { objectMembers } from '@auditbox/core/json/json-text.ts';

/** The members of an event's line, each as the JSON text that it has there. Numbers keep all their digits. */
export type EventMembers = Readonly<Record<string, string>>;

/** Takes a line apart without parsing its values. */
export function eventMembers(line: string): EventMembers {
  const members: Record<string, string> = {};
  for (const { name, value } of objectMembers(line)) members[name] = line.slice(value.start, value.end);
  return members;
}

/** A member that is JSON text of a string. Empty if it is missing or null. */
export function textMember(members: EventMembers, name: string): string {
  const value: unknown = JSON.parse(members[name] ?? 'null');
  return typeof value === 'string' ? value : '';
}

/** A JSON object of members that are JSON text already. Members that are undefined are left out. */
export function jsonObject(members: Readonly<Record<string, string | undefined>>): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(members))
    if (value !== undefined) parts.push(`${JSON.stringify(name)}:${value}`);
  return `{${parts.join(',')}}`;
}

/** A text as JSON, or undefined if it is empty. */
export function jsonText(text: string): string | undefined {
  return text === '' ? undefined : JSON.stringify(text);
}

/** A member, or undefined if it is missing or null. */
export function presentMember(members: EventMembers, name: string): string | undefined {
  const value = members[name];
  return value === 'null' ? undefined : value;
}

/** The caller's address and program, as far as the event's context names them. */
export function callerOf(members: EventMembers): { readonly ip: string; readonly userAgent: string } {
  return { ip: contextText(members, 'ip'), userAgent: contextText(members, 'user_agent') };
}

/** A text of the event's context. Empty if it is missing or something else. */
export function contextText(members: EventMembers, name: string): string {
  const context: unknown = JSON.parse(members.context ?? 'null');
  const value = (context as Record<string, unknown> | null)?.[name];
  return typeof value === 'string' ? value : '';
}

/** Whether the api recorded a request to itself: a read, or a denied one. Anybody may write an event that looks alike. */
export function isOwnRequest(members: EventMembers): boolean {
  return textMember(members, 'table_name') === 'auditbox.request' && textMember(members, 'recorded_by') === 'api';
}

/** The address of the caller. The api has another name for it in its own events. */
export function addressText(members: EventMembers): string {
  return isOwnRequest(members) ? contextText(members, 'address') : callerOf(members).ip;
}
