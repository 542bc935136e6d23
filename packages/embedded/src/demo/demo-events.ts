import { type Change, makeChange, type World } from './demo-changes.ts';
import { hex, seeded } from './seeded.ts';

/*
 * A week of a company that runs an LLM gateway, as LiteLLM would report it. The same moment gives the same events with the same
 * ids, so that a repeated `npm start -- --demo` stores nothing twice. Each event says in its context that it is an example.
 */

interface DemoEvent extends Change {
  readonly id: string;
  readonly updated_at: string;
  readonly changed_by: string;
  readonly changed_by_api_key: string;
  readonly context: object;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const people = [
  { name: 'ana.silva@acme.example', ip: '203.0.113.24', weight: 5, agent: 'Mozilla/5.0 (Macintosh) Chrome/156' },
  { name: 'jonas.weber@acme.example', ip: '198.51.100.7', weight: 4, agent: 'Mozilla/5.0 (X11; Linux) Firefox/149' },
  { name: 'mei.tanaka@acme.example', ip: '203.0.113.91', weight: 3, agent: 'Mozilla/5.0 (Windows NT 10.0) Edge/156' },
  { name: 'terraform@acme.example', ip: '192.0.2.10', weight: 4, agent: 'terraform-provider-litellm/1.4.2' },
  { name: 'okta-scim', ip: '192.0.2.55', weight: 2, agent: 'Okta SCIM Client 1.0' },
  { name: 'litellm-proxy-budget-reset', ip: '10.2.0.14', weight: 2, agent: 'litellm-scheduler/1.81' },
] as const;

/** `untilMs` in milliseconds since 1970. */
export function demoEvents(untilMs: number, days = 7): DemoEvent[] {
  const end = Math.floor(untilMs / 60_000) * 60_000;
  const firstHour = Math.floor((end - days * dayMs) / hourMs) * hourMs;
  const world: World = { keys: new Map(), budgets: new Map() };
  const events: DemoEvent[] = [];
  for (let hour = firstHour; hour < end; hour += hourMs) {
    const random = seeded(`hour ${hour}`);
    const count = eventsInHour(hour, random);
    const offsets = Array.from({ length: count }, () => Math.floor(random() * hourMs)).sort((a, b) => a - b);
    for (const offset of offsets) {
      if (hour + offset >= end) break;
      events.push(makeEvent(hour + offset, random, world));
    }
  }
  return events;
}

/** People work by day; programs work all the time; one afternoon there was an incident. */
function eventsInHour(hourStart: number, random: () => number): number {
  const at = new Date(hourStart);
  const isWeekend = at.getUTCDay() % 6 === 0;
  const hour = at.getUTCHours();
  const daylight = Math.max(0, Math.sin(((hour - 6) / 13) * Math.PI));
  const usual = 1 + (isWeekend ? 4 : 20) * daylight;
  const incident = at.getUTCDay() === 2 && hour === 14 ? 40 : 0;
  return Math.round(usual * (0.6 + random() * 0.8) + incident);
}

function makeEvent(atMs: number, random: () => number, world: World): DemoEvent {
  const person = pickWeighted(random);
  const change = makeChange(random, world);
  const id = uuidFrom(`${atMs} ${JSON.stringify(change)}`);
  return {
    id,
    updated_at: `${new Date(atMs).toISOString().slice(0, -1)}${String(Math.floor(random() * 1000)).padStart(3, '0')}Z`,
    changed_by: person.name,
    changed_by_api_key: hex(`caller ${person.name}`, 64),
    ...change,
    context: { demo: true, ip: person.ip, user_agent: person.agent, request_id: `req_${hex(id, 16)}` },
  };
}

function pickWeighted(random: () => number): (typeof people)[number] {
  let left = random() * people.reduce((sum, { weight }) => sum + weight, 0);
  for (const person of people) {
    left -= person.weight;
    if (left < 0) return person;
  }
  return people[0];
}

function uuidFrom(text: string): string {
  const digits = hex(`demo ${text}`, 32);
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`;
}
