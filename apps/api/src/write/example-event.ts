import type { Actions } from '@auditbox/core/event/event-schema.ts';

const example = {
  id: '0198c5e2-7d6b-7c1e-9f43-2b1f6a7c8d90',
  updated_at: '2026-07-03T11:46:50.269Z',
  changed_by: 'ana@example.com',
  action: 'updated',
  table_name: 'teams',
  object_id: '42',
  before_value: { max_budget: 10 },
  updated_values: { max_budget: 25 },
  context: { ip: '192.0.2.7' },
};

/** An event for the reference, with an action that this api accepts. */
export function exampleEvent(actions: Actions): typeof example {
  const isAccepted = actions === 'any' || actions.includes(example.action);
  return isAccepted ? example : { ...example, action: actions[0] ?? example.action };
}
