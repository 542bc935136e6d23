import type { Caller } from '../http/caller.ts';
import { HttpProblem } from '../http/problem.ts';

/** The export is of all tenants: its errors and keys of objects say something about each. */
export function requireAllTenants({ tenant }: Caller): void {
  if (tenant.kind === 'one') throw new HttpProblem(403, 'The export is of all tenants, and this key is bound to one.');
}
