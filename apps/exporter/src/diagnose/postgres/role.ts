import { type Role, readRole } from '@auditbox/db/doctor/read-role.ts';
import { fails, works } from '../finding.ts';
import type { Check } from './check.ts';

const what = 'role';

/** Whether the connection's role has no more rights on the record than it needs. */
export const role: Check = {
  what,
  async run(db) {
    const found = await readRole(db);
    const excess = findExcess(found);
    if (excess === null) return works(what, `Connected as ${found.name}, which cannot change audit_log.`);
    const advice =
      'Run `npm run migrate -- --roles`, which makes auditbox_api, auditbox_exporter and auditbox_retention. Make a login role for each process, a member of the one that it needs, and put it into DATABASE_URL.';
    return fails(what, `Connected as ${found.name}, which ${excess}.`, { needed: false, advice });
  },
};

function findExcess({ isSuperuser, ownsRecord, mayChangeRecord }: Role): string | null {
  if (isSuperuser) return 'is a superuser and can switch off what makes audit_log append-only';
  if (ownsRecord) return 'owns audit_log and can switch off what makes it append-only';
  return mayChangeRecord === '' ? null : `has ${mayChangeRecord} on audit_log, so that only a trigger prevents changes`;
}
