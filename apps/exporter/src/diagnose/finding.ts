import type { SinkRefusal } from '../destinations/destination.ts';

/** What a look at one thing brought. */
export interface Finding {
  readonly what: string;
  readonly state: 'works' | 'does not work' | 'unknown';
  /** Whether exports depend on it. */
  readonly needed: boolean;
  /** One sentence or more. */
  readonly says: string;
  /** What the credentials lack, where that is the reason. */
  readonly permission: string | null;
  /** What to do. */
  readonly advice: string | null;
}

type Rest = Partial<Pick<Finding, 'permission' | 'advice' | 'needed'>>;

export function works(what: string, says: string, rest: Rest = {}): Finding {
  return finding(what, 'works', says, rest);
}

export function fails(what: string, says: string, rest: Rest = {}): Finding {
  return finding(what, 'does not work', says, rest);
}

/** Not needed, unless `rest` says so. */
export function unknown(what: string, says: string, rest: Rest = {}): Finding {
  return finding(what, 'unknown', says, { needed: false, ...rest });
}

/** A refusal as it goes into a finding. `whose` is what the permission must be given on. */
export function reasons({ permission = null }: SinkRefusal, whose: string): Rest {
  if (permission === null) return {};
  if (permission.startsWith('sts:'))
    return { permission, advice: "Let the role's trust policy name whom the credentials found belong to." };
  const key = permission.includes('kms:') ? '; kms: permissions on the KMS key' : '';
  return { permission, advice: `Allow it on ${whose}${key}.` };
}

function finding(what: string, state: Finding['state'], says: string, rest: Rest): Finding {
  return { what, state, needed: true, says, permission: null, advice: null, ...rest };
}
