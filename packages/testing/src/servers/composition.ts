import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getContainerRuntimeClient } from 'testcontainers';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** How a command of compose ended. */
interface Ended {
  readonly code: number;
  readonly stdout: string;
  /** Standard output and standard error, for error messages. */
  readonly output: string;
}

/** A container, as the engine describes it. */
export interface ContainerSeen {
  readonly Id: string;
  readonly Image: string;
  readonly State: { readonly Running: boolean; readonly Pid: number; readonly ExitCode: number };
  readonly Config: { readonly User: string; readonly Healthcheck?: { readonly Test: readonly string[] } };
}

/** The repository's docker-compose.yml, as the project of one test. */
export interface Composition {
  /** `variables` override those of .env. Rejects with the output if the exit code is not 0. */
  run(args: readonly string[], variables?: Record<string, string>): Promise<Ended>;
  /** The same, but resolves for any exit code. */
  ask(args: readonly string[], variables?: Record<string, string>): Promise<Ended>;
  /** The published address of a service's port, as host:port. */
  address(service: string, port: number): Promise<string>;
  containers(service: string): Promise<ContainerSeen[]>;
  imageBytes(name: string): Promise<number>;
  /** Ends everything and deletes the project's volumes. */
  close(): Promise<void>;
}

const isLostProcess = /\/proc\/\d+\/cgroup: no such process/;

/** The command of version 2 (a plug-in of docker) or version 1. Null if neither is installed. */
export function findCompose(): readonly string[] | null {
  const there = ([program = '', ...args]: string[]) => spawnSync(program, [...args, 'version']).status === 0;
  return [['docker', 'compose'], ['docker-compose']].find(there) ?? null;
}

/** `env` becomes the file .env. `override` is the last compose file, in JSON; `overlays` are files of the repository before it. */
export async function openComposition(
  compose: readonly string[],
  name: string,
  env: Readonly<Record<string, string>>,
  override: object,
  overlays: readonly string[] = [],
): Promise<Composition> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-composition-'));
  const envFile = join(folder, 'env');
  const overrideFile = join(folder, 'override.yml');
  await writeFile(
    envFile,
    Object.entries(env)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  await writeFile(overrideFile, JSON.stringify(override));
  const files = ['docker-compose.yml', ...overlays].flatMap((file) => ['-f', join(root, file)]);
  const [program = '', ...first] = [...compose, '--env-file', envFile, '-p', name, ...files, '-f', overrideFile];
  const { container } = await getContainerRuntimeClient();

  const ask = (args: readonly string[], variables: Record<string, string> = {}) =>
    new Promise<Ended>((resolve) => {
      const { PATH = '', HOME = '', DOCKER_HOST } = process.env;
      const options = {
        cwd: root,
        env: { PATH, HOME, ...(DOCKER_HOST !== undefined && { DOCKER_HOST }), ...variables },
        maxBuffer: 64 * 1024 * 1024,
      };
      execFile(program, [...first, ...args], options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, output: `${stdout}${stderr}` });
      });
    });
  const run = async (args: readonly string[], variables?: Record<string, string>) => {
    let ended = await ask(args, variables);
    // Podman's engine fails over a one-shot container that ends while it is being started. Compose is meant to be repeated.
    while (ended.code !== 0 && isLostProcess.test(ended.output)) ended = await ask(args, variables);
    if (ended.code !== 0) throw new Error(`compose ${args.join(' ')} ended with ${ended.code}:\n${ended.output}`);
    return ended;
  };
  return {
    run,
    ask,
    async address(service, port) {
      return (await run(['port', service, String(port)])).stdout.trim();
    },
    async containers(service) {
      const ids = (await run(['ps', '-a', '-q', service])).stdout.split('\n').filter((id) => id !== '');
      return Promise.all(ids.map((id) => container.getById(id).inspect())) as Promise<ContainerSeen[]>;
    },
    async imageBytes(reference) {
      return (await container.dockerode.getImage(reference).inspect()).Size;
    },
    async close() {
      await run(['down', '--volumes', '--remove-orphans', '--timeout', '1']);
      await rm(folder, { recursive: true });
    },
  };
}
