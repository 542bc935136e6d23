import { existsSync } from 'node:fs';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { isAlive } from '@auditbox/process/is-alive.ts';
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from 'testcontainers';
import type { TestProject } from 'vitest/node';
import { testCredentials } from './bucket.ts';
import { createTemplate } from './template-database.ts';
import { migrateWithRoles } from './test-roles.ts';

/*
 * A real Postgres and a real S3 in containers. TEST_POSTGRES_IMAGE is an image that is used like the official one.
 * TEST_S3_IMAGE is MinIO, or a Ceph gateway that listens on 7480 and reads S3_ACCESS_KEY and S3_SECRET_KEY.
 */
const postgresImage = process.env.TEST_POSTGRES_IMAGE ?? 'postgres:18';
export const s3Image = process.env.TEST_S3_IMAGE ?? 'quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z';

/** The default of a minute is too short for a machine that is slow and busy. */
const startupMs = 500_000;

/** Names the process that started a container. */
const owner = 'auditbox.tests.process';

/** The port of the store in its container. */
export const s3Port = s3Image.includes('minio') ? 9000 : 7480;

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (!process.env.DOCKER_HOST && !existsSync('/var/run/docker.sock')) {
    const line = '='.repeat(100);
    const sentence =
      'SKIPPED: the tests on containers (a real S3, Postgres 15). They need a container engine. Set DOCKER_HOST.';
    process.stderr.write(`\n${line}\n${sentence}\n${line}\n\n`);
    project.provide('containers', false);
    return async () => {};
  }
  await removeLeftovers();
  const [database, s3] = await Promise.all([startPostgres(), startS3()]);
  const server = `postgres://postgres:container@${database.getHost()}:${database.getMappedPort(5432)}/postgres`;
  await createTemplate(server, migrateWithRoles);
  project.provide('containers', true);
  project.provide('databaseServer', server);
  project.provide('s3Endpoint', `http://${s3.getHost()}:${s3.getFirstMappedPort()}`);
  return async () => {
    await Promise.all([database.stop(), s3.stop()]);
  };
}

/** A run that was killed leaves its containers, and the engine goes on forwarding their ports. */
async function removeLeftovers(): Promise<void> {
  const { container } = await getContainerRuntimeClient();
  const all = await container.dockerode.listContainers({ all: true, filters: { label: [owner] } });
  for (const { Id, Labels } of all)
    if (!isAlive(Number(Labels[owner]))) await container.dockerode.getContainer(Id).remove({ force: true });
}

/**
 * The tests end processes and never a machine, so nothing depends on what reaches the disk. Many tests migrate at the same time,
 * and each migration locks all tables and indexes of its months.
 */
async function startPostgres(): Promise<StartedTestContainer> {
  return new GenericContainer(postgresImage)
    .withEnvironment({ POSTGRES_PASSWORD: 'container' })
    .withCommand([
      'postgres',
      '-c',
      'max_connections=400',
      '-c',
      'max_prepared_transactions=10',
      '-c',
      'fsync=off',
      '-c',
      'max_locks_per_transaction=256',
    ])
    .withLabels({ [owner]: String(process.pid) })
    .withExposedPorts({ container: 5432, host: await findFreePort() })
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
    .withStartupTimeout(startupMs)
    .start();
}

async function startS3(): Promise<StartedTestContainer> {
  const { accessKeyId, secretAccessKey } = testCredentials;
  if (s3Port === 9000) {
    return new GenericContainer(s3Image)
      .withEnvironment({ MINIO_ROOT_USER: accessKeyId, MINIO_ROOT_PASSWORD: secretAccessKey })
      .withCommand(['server', '/data'])
      .withLabels({ [owner]: String(process.pid) })
      .withExposedPorts({ container: s3Port, host: await findFreePort() })
      .withWaitStrategy(Wait.forHttp('/minio/health/ready', s3Port))
      .withStartupTimeout(startupMs)
      .start();
  }
  return new GenericContainer(s3Image)
    .withEnvironment({ S3_ACCESS_KEY: accessKeyId, S3_SECRET_KEY: secretAccessKey })
    .withLabels({ [owner]: String(process.pid) })
    .withExposedPorts({ container: s3Port, host: await findFreePort() })
    .withWaitStrategy(Wait.forHttp('/', s3Port))
    .withStartupTimeout(startupMs)
    .start();
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Whether the tests on containers can run. */
    containers: boolean;
  }
}
