import type { CrashPoint } from '@auditbox/process/crash-point.ts';
import { openArchive } from '../oracle/archive.ts';
import { comeToRest } from '../scene/come-to-rest.ts';
import type { Scene } from '../scene/scene.ts';
import { BrokenPromise, type Fault, type Strike } from './fault.ts';

/*
 * SIGSTOP past the lease: another exporter takes over and finishes. What wakes up then is stale, and changes nothing.
 */

const points: readonly (readonly [name: string, point: CrashPoint, about: string])[] = [
  ['after-lease', 'exporter after the lease', 'with a lease'],
  ['before-upload', 'exporter before the upload', 'before the PUT'],
  ['after-upload', 'exporter after the upload', 'after the PUT, before the mark'],
];

export const stops: readonly Fault[] = points.map(([name, point, about]) => ({
  name: `exporter-stopped-${name}`,
  about: `an exporter stopped ${about}, taken over, woken`,
  strike: (strike) => stopAndWake(strike, point),
}));

async function stopAndWake({ scene, writer, recoveryBegins }: Strike, point: CrashPoint): Promise<void> {
  const { exporters } = scene;
  exporters.arm({ FAULT_POINT: point, FAULT_SIGNAL: 'SIGSTOP' }, 1);
  await exporters.killAll();
  const stale = await exporters.armed();
  await stale.app.line(/^At the crash point/);
  recoveryBegins();
  exporters.resize(2);
  await writer.stop();
  await comeToRest(scene);
  const before = await snapshot(scene);
  stale.app.signal('SIGCONT');
  // It has learned of its loss when it says so; one that was stopped after its last word may also just end.
  await Promise.race([stale.app.line(/^The lease was lost/).catch(() => {}), stale.app.ended]);
  const after = await snapshot(scene);
  if (after !== before) throw new BrokenPromise(`The stale exporter changed something: ${before} became ${after}.`);
  exporters.resize(1);
}

async function snapshot({ bucket, db, proxy }: Scene): Promise<string> {
  const archive = openArchive(bucket, { isVersioned: proxy === null });
  await archive.look();
  const objects = [...archive.objects.values()].map(({ key, etag }) => [key, etag]);
  const batches = await db.sql`select * from export_batch order by id`;
  const rows = await db.sql`select id::text, batch_id::text, quarantine_reason from outbox order by id`;
  return JSON.stringify([objects, batches, rows]);
}
