import type { CrashPoint } from '@auditbox/process/crash-point.ts';
import { openArchive } from '../oracle/archive.ts';
import type { Scene } from '../scene/scene.ts';
import { waitUntilExported } from '../scene/wait-until-exported.ts';
import { BrokenPromise, type Fault, type Strike } from './fault.ts';

/*
 * An exporter is stopped with SIGSTOP for longer than its lease. Another exporter takes over and finishes. When the first
 * one continues, it must not change anything.
 */

const points: readonly (readonly [name: string, point: CrashPoint, about: string])[] = [
  ['after-lease', 'exporter after the lease', 'with a lease'],
  ['before-upload', 'exporter before the upload', 'before the PUT'],
  ['after-upload', 'exporter after the upload', 'after the PUT, before the batch is marked done'],
];

export const stops: readonly Fault[] = points.map(([name, point, about]) => ({
  name: `exporter-stopped-${name}`,
  about: `an exporter paused ${about}, continued after another took over`,
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
  await waitUntilExported(scene);
  const before = await snapshot(scene);
  stale.app.signal('SIGCONT');
  // The exporter logs that it lost the lease. If it was stopped after its last database call, it may end without this line.
  await Promise.race([stale.app.event('lease-lost').catch(() => {}), stale.app.ended]);
  const after = await snapshot(scene);
  if (after !== before) throw new BrokenPromise(`The stale exporter changed something: ${before} became ${after}.`);
  exporters.resize(1);
}

async function snapshot({ bucket, db, proxy }: Scene): Promise<string> {
  const archive = openArchive(bucket, { isVersioned: proxy === null });
  await archive.refresh();
  const objects = [...archive.objects.values()].map(({ key, etag }) => [key, etag]);
  const batches = await db.sql`select * from auditbox.batch order by id`;
  const deliveries = await db.sql`select * from auditbox.delivery order by destination, batch_id`;
  const rejections = await db.sql`select * from auditbox.rejection order by destination, batch_id, outbox_id`;
  return JSON.stringify([objects, batches, deliveries, rejections]);
}
