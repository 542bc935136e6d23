import { hex, pick } from './seeded.ts';

/** What a change says; who made it and when comes on top. */
export interface Change {
  readonly action: string;
  readonly table_name: string;
  readonly object_id: string;
  readonly before_value: object | null;
  readonly updated_values: object | null;
}

const teams = [
  { id: '7b1f', alias: 'growth' },
  { id: 'a02c', alias: 'search-platform' },
  { id: '19de', alias: 'support-copilot' },
  { id: 'f4a8', alias: 'data-science' },
  { id: '5c33', alias: 'mobile' },
] as const;

const models = ['gpt-5.2', 'claude-opus-5', 'gemini-3-pro', 'mistral-large-4', 'llama-5-70b'] as const;

/** What exists so far. */
export interface World {
  /** Key ids to their alias and budget. */
  readonly keys: Map<string, { alias: string; budget: number; team: string; isBlocked: boolean }>;
  readonly budgets: Map<string, number>;
}

const makers = [keyChange, keyChange, keyChange, teamChange, teamChange, modelChange, userChange] as const;

/** A change of something that exists, or that begins to. */
export function makeChange(random: () => number, world: World): Change {
  return pick(random, makers)(random, world);
}

function keyChange(random: () => number, world: World): Change {
  const table_name = 'LiteLLM_VerificationToken';
  const known = [...world.keys];
  if (known.length < 6 || random() < 0.16) {
    const team = pick(random, teams);
    const alias = `${team.alias}-${pick(random, ['ci', 'prod', 'staging', 'eval', 'batch', 'notebook'])}-${1 + Math.floor(random() * 9)}`;
    const budget = pick(random, [10, 25, 50, 100, 250]);
    const token = hex(`token ${random()}`, 64);
    world.keys.set(token, { alias, budget, team: team.id, isBlocked: false });
    const updated_values = {
      token,
      key_alias: alias,
      team_id: team.id,
      models: [pick(random, models)],
      max_budget: budget,
      budget_duration: '30d',
      tpm_limit: null,
      metadata: { created_from: 'dashboard', cost_center: 4000 + Math.floor(random() * 90) },
    };
    return { action: 'created', table_name, object_id: token, before_value: null, updated_values };
  }
  const [token, key] = pick(random, known);
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
  key.budget = Math.max(5, Math.round(before * pick(random, [0.5, 1.25, 1.5, 2, 2.5])));
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
        models: ['gpt-5.2', 'claude-opus-5', pick(random, ['gemini-3-pro', 'mistral-large-4'])],
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

function spent(random: () => number, budget: number): number {
  return Number((random() * budget).toFixed(6));
}
