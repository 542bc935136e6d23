import { getContainerRuntimeClient } from 'testcontainers';

/** A container of one test, without a writable file system and without capabilities. It shares the network of this machine. */
export interface RunningContainer {
  output(): Promise<string>;
  /** What `docker stop` and `podman stop` do. Resolves to the exit code: 137 when the ten seconds of grace were not enough. */
  stop(): Promise<number>;
  remove(): Promise<void>;
}

export async function runContainer(
  Image: string,
  environment: Readonly<Record<string, string>>,
): Promise<RunningContainer> {
  const { container: engine } = await getContainerRuntimeClient();
  const Env = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const HostConfig = { NetworkMode: 'host', ReadonlyRootfs: true, CapDrop: ['ALL'] };
  const container = await engine.dockerode.createContainer({ Image, Env, HostConfig });
  await container.start();
  return {
    output: async () => (await container.logs({ stdout: true, stderr: true })).toString(),
    async stop() {
      await container.stop({ t: 10 });
      return (await container.inspect()).State.ExitCode;
    },
    async remove() {
      await container.remove({ force: true });
    },
  };
}
