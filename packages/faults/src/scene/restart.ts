import { setTimeout as sleep } from 'node:timers/promises';
import type { Scene } from './scene.ts';

/** Ends the exporters of all cells and resolves when others run in their place, which have read the configuration anew. */
export async function restartExporters({ cells }: Scene, signal: NodeJS.Signals): Promise<void> {
  await Promise.all(
    cells.map(async ({ exporters }) => {
      const old = [...exporters.members];
      for (const { app } of old) app.signal(signal);
      await Promise.all(old.map(({ app }) => app.ended));
      while (exporters.members.size === 0) await sleep(10);
      await Promise.all([...exporters.members].map(({ port }) => port));
    }),
  );
}
