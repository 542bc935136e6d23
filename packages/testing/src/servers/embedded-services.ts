import { randomBytes } from 'node:crypto';
import { appendFile, chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterUrl, initCluster } from '@auditbox/embedded/postgres/cluster.ts';
import { createPostgresRunner } from '@auditbox/embedded/postgres/runner.ts';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { postgresService, type StackPlan, s3Service } from '@auditbox/embedded/stack/services.ts';
import { type Service, supervise } from '@auditbox/embedded/stack/supervise.ts';
import type { TestProject } from 'vitest/node';
import { createTemplate } from './template-database.ts';
import { migrateWithRoles } from './test-roles.ts';

/*
 * One Postgres and one object store for a whole test run, from npm packages, without a container engine. Each test file
 * creates its own databases and buckets in them.
 */

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-test-'));
  await chmod(folder, 0o755);
  const runner = await createPostgresRunner(folder);
  const cluster = {
    folder: join(folder, 'postgres'),
    port: await findFreePort(),
    password: randomBytes(12).toString('hex'),
  };
  const plan: StackPlan = {
    cluster,
    s3: { port: await findFreePort(), folder: join(folder, 's3'), bucket: 'auditbox' },
    apiPort: 0,
    exporterPort: 0,
    masterKey: { value: '', source: 'given' },
    log: { origin: '', keyFile: '', verifierKey: '' },
    environment: {},
  };
  await initCluster(runner, cluster, new AbortController().signal);
  // The tests end processes and never a machine, so nothing depends on what reaches the disk. Many tests migrate at the same
  // time, and each migration locks all tables and indexes of its months. Tests that run at the same time have a dozen processes with
  // their own pools.
  const settings =
    'max_connections = 400\nmax_prepared_transactions = 10\nfsync = off\nmax_locks_per_transaction = 256\n';
  await appendFile(join(cluster.folder, 'postgresql.conf'), settings);
  const lines: string[] = [];
  const events = {
    line: (_service: string, text: string) => void lines.push(text),
    restarting: () => {},
    gaveUp: (name: string) => process.stderr.write(`${name} keeps ending:\n${lines.slice(-20).join('\n')}\n`),
  };
  const services: Service[] = [supervise(postgresService(runner, plan), events), supervise(s3Service(plan), events)];
  await Promise.all(services.map(({ ready }) => ready));
  await createTemplate(clusterUrl(cluster), migrateWithRoles);
  project.provide('databaseServer', clusterUrl(cluster));
  project.provide('s3Endpoint', `http://127.0.0.1:${plan.s3.port}`);
  return async () => {
    for (const service of services) await service.stop(10_000);
    await runner.dispose();
    await rm(folder, { recursive: true, force: true });
  };
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** URL of a Postgres server that holds the migrated template database. */
    databaseServer: string;
    s3Endpoint: string;
  }
}
