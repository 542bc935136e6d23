import { type Role, readRole } from '@auditbox/db/doctor/read-role.ts';
import { fails, works } from '../finding.ts';
import type { Look } from './look.ts';

const what = 'role';

/** Whether the connection's role may do no more to the record than it must. */
export const role: Look = {
  what,
  async find(db) {
    const found = await readRole(db);
    const tooMuch = excess(found);
    if (tooMuch === null) return works(what, `Connected as ${found.name}, which cannot change audit_log.`);
    const advice =
      '`npm run migrate -- --roles` makes auditbox_api, auditbox_exporter and auditbox_retention: make login roles that are members of the one they need, and put those into DATABASE_URL.';
    return fails(what, `Connected as ${found.name}, which ${tooMuch}.`, { needed: false, advice });
  },
};

function excess({ isSuperuser, ownsRecord, mayChangeRecord }: Role): string | null {
  if (isSuperuser) return 'is a superuser: it can switch off what makes audit_log append-only';
  if (ownsRecord) return 'owns audit_log: it can switch off what makes it append-only';
  return mayChangeRecord === '' ? null : `has ${mayChangeRecord} on audit_log, so that only a trigger refuses them`;
}
