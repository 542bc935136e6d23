import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { useTemporaryFolder } from './temporary-folder.ts';

/** For the processes of tests and those that they start: saves a third of the time that Node takes to start. */
process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'auditbox-compile-cache');
useTemporaryFolder();

/**
 * These limits only end what hangs. They are ten times what the slowest tests need, because tests run on machines that are
 * half as fast and busy. A promise about time is measured by its test: in processor time, in counts, or against another
 * measurement of the same run.
 */
const common = { testTimeout: 300_000, hookTimeout: 600_000, expect: { poll: { timeout: 120_000 } } };

/** With a container engine, the tests of the database also run on the Postgres of a container, which is older than the embedded one. */
const hasEngine = process.env.DOCKER_HOST !== undefined || existsSync('/var/run/docker.sock');

/** Pure tests, tests on the embedded Postgres and store, and tests on containers, which print a line when they cannot run. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    // Tests of one file that wait at the same time.
    maxConcurrency: 10,
    projects: [
      {
        test: {
          ...common,
          name: 'pure',
          include: ['packages/{core,evidence,process,tooling,verify}/test/**/*.test.ts'],
        },
      },
      {
        test: {
          ...common,
          name: 'services',
          include: [
            'packages/{cli,db,embedded,client,writer,observability}/test/**/*.test.ts',
            'apps/*/test/*.test.ts',
          ],
          globalSetup: 'packages/testing/src/servers/embedded-services.ts',
        },
      },
      {
        test: {
          ...common,
          name: 'containers',
          include: [
            '{apps,packages}/*/test/containers/*.test.ts',
            ...(hasEngine ? ['packages/db/test/**/*.test.ts'] : []),
          ],
          // What these show does not depend on the version of Postgres.
          exclude: [
            'packages/db/test/{archived-events,citus,copy-lines,database-error,destinations,distributed-forms,examples,feed,forget-dropped,key-form,literal-sql,migrate-cells,planted-names,questions-leave-nothing,queue-statements,requests,schema-name,sessions,tampering,together-or-not-at-all,tls,who-wrote}.test.ts',
          ],
          globalSetup: 'packages/testing/src/servers/container-services.ts',
        },
      },
    ],
  },
});
