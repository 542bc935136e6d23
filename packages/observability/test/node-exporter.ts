import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';

const program = process.env.TEST_NODE_EXPORTER ?? 'prometheus-node-exporter';

export const hasNodeExporter = spawnSync(program, ['--version']).status === 0;

/**
 * A node exporter that reports one folder as the disk of a machine. The numbers are those of the file system; its kind is not, because
 * the alert leaves out file systems in memory, and a test can mount no other.
 */
export async function startNodeExporter(disk: string): Promise<{ target: string; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'node-exporter-'));
  await mkdir(join(folder, '1'));
  for (const file of ['mounts', 'mountinfo'])
    await writeFile(
      join(folder, '1', file),
      file === 'mounts' ? `/dev/sdb1 ${disk} ext4 rw 0 0\n` : `1 0 8:17 / ${disk} rw - ext4 /dev/sdb1 rw\n`,
    );
  const target = `127.0.0.1:${await findFreePort()}`;
  const args = ['--collector.disable-defaults', '--collector.filesystem', `--path.procfs=${folder}`];
  const child = spawn(program, [...args, `--web.listen-address=${target}`], { stdio: 'ignore' });
  const ended = once(child, 'close');
  await eventually(async () => {
    const text = await (await fetch(`http://${target}/metrics`)).text();
    if (!text.includes('node_filesystem_avail_bytes{')) throw new Error('The node exporter does not report the disk.');
  });
  return {
    target,
    async close() {
      child.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}
