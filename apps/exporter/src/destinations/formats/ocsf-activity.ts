/** What was done, as a class of the Open Cybersecurity Schema Framework numbers it. */
export interface OcsfActivity {
  readonly id: number;
  readonly name: string;
}

/** Of Entity Management. */
const actions: Readonly<Record<string, OcsfActivity>> = {
  created: { id: 1, name: 'Create' },
  read: { id: 2, name: 'Read' },
  updated: { id: 3, name: 'Update' },
  deleted: { id: 4, name: 'Delete' },
  moved: { id: 5, name: 'Move' },
  enabled: { id: 8, name: 'Enable' },
  disabled: { id: 9, name: 'Disable' },
  blocked: { id: 12, name: 'Suspend' },
  unblocked: { id: 13, name: 'Resume' },
  rotated: { id: 99, name: 'Rotate' },
};

/** Of API Activity. */
const methods: Readonly<Record<string, OcsfActivity>> = {
  POST: { id: 1, name: 'Create' },
  GET: { id: 2, name: 'Read' },
  HEAD: { id: 2, name: 'Read' },
  PUT: { id: 3, name: 'Update' },
  PATCH: { id: 3, name: 'Update' },
  DELETE: { id: 4, name: 'Delete' },
};

/** An action without an activity is 99, Other, with the action as its name. */
export function activityOfAction(action: string): OcsfActivity {
  return find(actions, action);
}

/** The same for the method of a request. */
export function activityOfMethod(method: string): OcsfActivity {
  return find(methods, method);
}

function find(activities: Readonly<Record<string, OcsfActivity>>, name: string): OcsfActivity {
  // Every object has a `constructor`.
  const known = Object.hasOwn(activities, name) ? activities[name] : undefined;
  return known ?? { id: 99, name: name === '' ? 'Other' : name };
}
