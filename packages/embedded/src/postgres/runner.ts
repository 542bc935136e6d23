import { execFileSync } from 'node:child_process';
import { chmod, chown, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { copyPostgres, findPostgres, isReachableByOthers } from './binaries.ts';

/** How the programs of Postgres are started on this machine. */
export interface PostgresRunner {
  /** The command line of a program (`initdb`, `postgres`). */
  commandOf(program: string, args: readonly string[]): { readonly file: string; readonly args: string[] };
  /** The owner of Postgres's files. */
  readonly uid: number | undefined;
  readonly spawnOptions: { readonly uid?: number; readonly gid?: number };
  /** Gives a file or folder to the user that Postgres runs as. */
  own(path: string): Promise<void>;
  /** Deletes the copy of the programs, if one was made. */
  dispose(): Promise<void>;
}

/**
 * Decides how Postgres can run on data in `dataParent`. Postgres refuses to run as root, so root runs it as the user
 * `postgres` or `nobody`. That user may be unable to enter the folders above, for example in a clone under /root. Then
 * the binaries are copied to a folder that it can enter, and the server keeps one capability: to enter any folder.
 */
export async function createPostgresRunner(dataParent: string): Promise<PostgresRunner> {
  const home = await findPostgres();
  const plain = (from: string) => (program: string, args: readonly string[]) => ({
    file: `${from}/bin/${program}`,
    args: [...args],
  });
  if (process.getuid?.() !== 0) {
    return {
      commandOf: plain(home),
      uid: process.getuid?.(),
      spawnOptions: {},
      own: async () => {},
      dispose: async () => {},
    };
  }
  const user = findUser();
  const own = (path: string) => chown(path, user.uid, user.gid);
  if ((await isReachableByOthers(home)) && (await isReachableByOthers(dataParent))) {
    return { commandOf: plain(home), uid: user.uid, spawnOptions: user, own, dispose: async () => {} };
  }
  const copy = await copyPostgres(home);
  await chmod(dirname(copy), 0o755);
  return {
    commandOf: (program, args) => ({
      file: 'setpriv',
      args: [...mayEnterFolders(user), `${copy}/bin/${program}`, ...args],
    }),
    uid: user.uid,
    spawnOptions: {},
    own,
    dispose: () => rm(dirname(copy), { recursive: true, force: true }),
  };
}

/** Arguments of util-linux's setpriv. The narrower capability comes first, but root in a container rarely has it. */
function mayEnterFolders({ uid, gid }: { uid: number; gid: number }): string[] {
  const ids = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  const withCapability = (name: string) => [...ids, `--inh-caps=-all,+${name}`, `--ambient-caps=-all,+${name}`];
  for (const args of [withCapability('dac_read_search'), withCapability('dac_override')]) {
    try {
      execFileSync('setpriv', [...args, 'true'], { stdio: 'ignore' });
      return args;
    } catch {}
  }
  throw new Error(
    'Postgres does not run as root, and no other user can enter this folder. Start it as another user, or from a folder that all users can enter, such as one under /opt.',
  );
}

function findUser(): { uid: number; gid: number } {
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {}
  }
  throw new Error('Postgres does not run as root, and this machine has no user named postgres or nobody.');
}
