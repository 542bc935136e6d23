import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';

const hourMs = 3_600_000;

const wrongClocks = (['ahead', 'behind'] as const).map(
  (direction): Fault => ({
    name: `exporter-clock-${direction}`,
    about: `exporters with a clock that is hours ${direction}, also killed`,
    async strike({ scene: { exporters }, writer, random }) {
      const clock = () => ({
        FAULT_CLOCK_MS: String(random.between(1, 72) * hourMs * (direction === 'ahead' ? 1 : -1)),
      });
      // If leases used the exporter's clock, a lease would end immediately or never.
      exporters.arm({ ...clock(), FAULT_POINT: 'exporter after the upload' }, random.between(1, 3));
      await exporters.killAll();
      await exporters.disarmed();
      exporters.arm(clock(), 2);
      exporters.resize(2);
      await exporters.killAll();
      await writer.acknowledged(10);
      exporters.resize(1);
      await exporters.killAll();
    },
  }),
);

const crowd: Fault = {
  name: 'many-coming-and-going',
  about: 'two to four exporters and apis that start, stop and are killed',
  async strike({ scene: { apis, exporters }, writer, random }) {
    for (let left = random.between(3, 6); left > 0; left -= 1) {
      exporters.resize(random.between(2, 4));
      apis.resize(random.between(2, 4));
      await writer.acknowledged(random.between(1, 10));
      await sleep(random.between(0, 300));
      const fleet = random.pick([apis, exporters, exporters]);
      const [member] = fleet.members;
      member?.app.signal(random.pick(['SIGTERM', 'SIGKILL']));
    }
    exporters.resize(1);
    apis.resize(1);
  },
};

export const fleets: readonly Fault[] = [...wrongClocks, crowd];
