import { createHash } from 'node:crypto';

/** JSON texts of events without id and time, with the shape and size of the events of `eventsSql`. */
export function eventBodies(count: number): string[] {
  return Array.from({ length: count }, (_, n) => JSON.stringify(event(n)));
}

function event(n: number) {
  const actor = Math.floor(1000 * ((n % 997) / 997) ** 4);
  return {
    changed_by: `user${actor}@example.com`,
    changed_by_api_key: sha256(n % 53),
    action: ['created', 'updated', 'updated', 'updated', 'deleted', 'blocked'][n % 6],
    table_name: ['LiteLLM_VerificationToken', 'LiteLLM_TeamTable', 'LiteLLM_UserTable'][n % 3],
    object_id: sha256(n % 20_011),
    before_value: values(n % 97, n % 7, sha256(n)),
    updated_values: values(n % 89, n % 5, sha256(n)),
  };
}

function values(spend: number, few: number, token: string) {
  return {
    spend: spend + 0.125,
    token,
    models: ['gpt-5', 'claude-5'],
    metadata: {},
    key_name: `sk-...${few}xpQ`,
    policies: [],
    key_alias: `team-${few}`,
    created_at: '2026-07-03T11:44:05.842000Z',
    auto_rotate: false,
    permissions: {},
    max_budget: 1000 + spend,
    rotation_count: few,
  };
}

function sha256(n: number): string {
  return createHash('sha256').update(String(n)).digest('hex');
}
