import { createClient } from '@auditbox/client/audit-client.ts';
import { openSpool } from '@auditbox/client/spool/spool.ts';

/*
 * Adds events to a spool until the process is killed. Prints the id of each event that the spool has taken. Not a test; a test
 * starts it.
 */

const [folder = '', baseUrl = '', key = ''] = process.argv.slice(2);
const spool = await openSpool({ folder, client: createClient({ baseUrl, key }), onError: () => {} });
process.stdout.write('open\n');
await Promise.all(
  [1, 2, 3].map(async (writer) => {
    for (let n = 0; ; n += 1) {
      const event = { changed_by: 'ana', action: 'updated', table_name: 'spooled', object_id: `${writer}-${n}` };
      process.stdout.write(`took ${await spool.add(event)}\n`);
    }
  }),
);
