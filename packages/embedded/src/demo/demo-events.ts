import { createHash } from 'node:crypto';

/*
 * A week of a company that runs an LLM gateway, as LiteLLM would report it. The same moment gives the same events with the same
 * ids, so that a repeated `npm start -- --demo` stores nothing twice. Each event says in its context that it is an example.
 */

interface DemoEvent {
  readonly id: string;
  readonly updated_at: string;
  readonly changed_by: string;
  readonly changed_by_api_key: string;
  readonly action: string;
  readonly table_name: string;
  readonly object_id: string;
  readonly before_value: object | null;
  readonly updated_values: object | null;
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

const teams = [
  { id: '7b1f', alias: 'growth' },
  { id: 'a02c', alias: 'search-platform' },
  { id: '19de', alias: 'support-copilot' },
  { id: 'f4a8', alias: 'data-science' },
  { id: '5c33', alias: 'mobile' },
] as const;

const models = ['gpt-5.2', 'claude-opus-5', 'gemini-3-pro', 'mistral-large-4', 'llama-5-70b'] as const;

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

/** What exists so far. */
interface World {
  /** Key ids to their alias and budget. */
  readonly keys: Map<string, { alias: string; budget: number; team: string; isBlocked: boolean }>;
  readonly budgets: Map<string, number>;
}

function makeEvent(atMs: number, random: () => number, world: World): DemoEvent {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const person = pickWeighted(random);
  const change = pick([keyChange, keyChange, keyChange, teamChange, teamChange, modelChange, userChange])(
    random,
    world,
  );
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

type Change = Pick<DemoEvent, 'action' | 'table_name' | 'object_id' | 'before_value' | 'updated_values'>;

function keyChange(random: () => number, world: World): Change {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const table_name = 'LiteLLM_VerificationToken';
  const known = [...world.keys];
  if (known.length < 6 || random() < 0.16) {
    const team = pick(teams);
    const alias = `${team.alias}-${pick(['ci', 'prod', 'staging', 'eval', 'batch', 'notebook'])}-${1 + Math.floor(random() * 9)}`;
    const budget = pick([10, 25, 50, 100, 250]);
    const token = hex(`token ${random()}`, 64);
    world.keys.set(token, { alias, budget, team: team.id, isBlocked: false });
    const updated_values = {
      token,
      key_alias: alias,
      team_id: team.id,
      models: [pick(models)],
      max_budget: budget,
      budget_duration: '30d',
      tpm_limit: null,
      metadata: { created_from: 'dashboard', cost_center: 4000 + Math.floor(random() * 90) },
    };
    return { action: 'created', table_name, object_id: token, before_value: null, updated_values };
  }
  const [token, key] = pick(known);
  const roll = random();
  if (roll < 0.1) {
    world.keys.delete(token);
    const before_value = {
      token,
      key_alias: key.alias,
      team_id: key.team,
      max_budget: key.budget,
      spend: spent(random, key.budget),
    };
    return { action: 'deleted', table_name, object_id: token, before_value, updated_values: null };
  }
  if (roll < 0.2) {
    const isBlocked = !key.isBlocked;
    key.isBlocked = isBlocked;
    return {
      action: isBlocked ? 'blocked' : 'unblocked',
      table_name,
      object_id: token,
      before_value: { key_alias: key.alias, blocked: !isBlocked },
      updated_values: { blocked: isBlocked },
    };
  }
  if (roll < 0.28) {
    const before_value = { token, key_alias: key.alias, key_name: `sk-…${hex(token, 4)}`, expires: null };
    const updated_values = {
      ...before_value,
      key_name: `sk-…${hex(`${token} ${random()}`, 4)}`,
      expires: '2027-01-01T00:00:00Z',
    };
    return { action: 'rotated', table_name, object_id: token, before_value, updated_values };
  }
  const before = key.budget;
  key.budget = Math.max(5, Math.round(before * pick([0.5, 1.25, 1.5, 2, 2.5])));
  const before_value = {
    key_alias: key.alias,
    team_id: key.team,
    models: ['gpt-5.2', 'claude-opus-5'],
    max_budget: before,
    rpm_limit: 600,
    spend: spent(random, before),
    metadata: { cost_center: 4021, tags: ['prod'] },
  };
  const wantsModels = random() < 0.4;
  const updated_values = wantsModels
    ? {
        max_budget: key.budget,
        models: ['gpt-5.2', 'claude-opus-5', pick(['gemini-3-pro', 'mistral-large-4'])],
        rpm_limit: 900,
      }
    : { max_budget: key.budget };
  return { action: 'updated', table_name, object_id: token, before_value, updated_values };
}

function teamChange(random: () => number, world: World): Change {
  const team = teams[Math.floor(random() * teams.length)] as (typeof teams)[number];
  const before = world.budgets.get(team.id) ?? 500;
  const after = Math.max(100, Math.round(before * (0.8 + random() * 0.6)));
  world.budgets.set(team.id, after);
  const members = ['ana.silva@acme.example', 'jonas.weber@acme.example', 'mei.tanaka@acme.example'].slice(
    0,
    1 + Math.floor(random() * 3),
  );
  const before_value = {
    team_id: team.id,
    team_alias: team.alias,
    max_budget: before,
    members_with_roles: members.map((user_id) => ({ user_id, role: 'user' })),
    blocked: false,
  };
  if (random() < 0.35) {
    const added = { user_id: `new.hire${Math.floor(random() * 40)}@acme.example`, role: 'user' };
    const updated_values = { members_with_roles: [...before_value.members_with_roles, added] };
    return { action: 'updated', table_name: 'LiteLLM_TeamTable', object_id: team.id, before_value, updated_values };
  }
  return {
    action: 'updated',
    table_name: 'LiteLLM_TeamTable',
    object_id: team.id,
    before_value,
    updated_values: { max_budget: after },
  };
}

function modelChange(random: () => number): Change {
  const model = models[Math.floor(random() * models.length)] as string;
  const object_id = hex(`model ${model}`, 12);
  const before_value = {
    model_name: model,
    litellm_params: { api_base: 'https://eu.llm.example/v1', timeout: 600, input_cost_per_token: 0.0000025 },
    model_info: { mode: 'chat', supports_vision: true },
  };
  const timeout = 60 * (2 + Math.floor(random() * 14));
  const updated_values = { litellm_params: { ...before_value.litellm_params, timeout } };
  return { action: 'updated', table_name: 'LiteLLM_ProxyModelTable', object_id, before_value, updated_values };
}

function userChange(random: () => number): Change {
  const user_email = `new.hire${Math.floor(random() * 40)}@acme.example`;
  const object_id = `u_${hex(user_email, 10)}`;
  const values = { user_id: object_id, user_email, user_role: 'internal_user', max_budget: 20, teams: [] as string[] };
  if (random() < 0.55)
    return {
      action: 'created',
      table_name: 'LiteLLM_UserTable',
      object_id,
      before_value: null,
      updated_values: values,
    };
  const user_role = random() < 0.3 ? 'proxy_admin' : 'internal_user_viewer';
  return {
    action: 'updated',
    table_name: 'LiteLLM_UserTable',
    object_id,
    before_value: values,
    updated_values: { user_role },
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

function spent(random: () => number, budget: number): number {
  return Number((random() * budget).toFixed(6));
}

function hex(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

function uuidFrom(text: string): string {
  const digits = hex(`demo ${text}`, 32);
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`;
}

/** Mulberry32: the same text gives the same numbers. */
function seeded(text: string): () => number {
  let state = createHash('sha256').update(text).digest().readUInt32BE();
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
