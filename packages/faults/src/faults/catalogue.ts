import { createRandom } from '../random.ts';
import type { Fault } from './fault.ts';
import { fleets } from './fleets.ts';
import { kills } from './kills.ts';
import { poison } from './poison.ts';
import { postgresFaults } from './postgres.ts';
import { receivers } from './receivers.ts';
import { s3Faults } from './s3.ts';
import { serverFaults } from './server.ts';
import { stops } from './stops.ts';

/** A kill, a fault of Postgres and a fault of S3 at the same time. Without a fake S3 there is no fault of S3. */
const mixed: Fault = {
  name: 'mixed',
  about: 'a kill, a fault of Postgres and a fault of S3 at the same time',
  share: 2,
  async strike(strike) {
    const { random, scene } = strike;
    const isFit = (fault: Fault) => isPlain(fault) && (scene.proxy !== null || !fault.needsLies);
    const kinds = [kills, postgresFaults, s3Faults].map((kind) => kind.filter(isFit));
    const picked = kinds.filter((kind) => kind.length > 0).map((kind) => random.pick(kind));
    // Each fault gets its own random source, so that its choices do not depend on timing.
    const seeds = picked.map(() => random.between(0, 2 ** 31 - 1));
    await Promise.all(
      picked.map((fault, index) => fault.strike({ ...strike, random: createRandom(seeds[index] ?? 0, fault.name) })),
    );
  },
};

/** What a fault may have that needs no scene made for it. */
const plainMembers: ReadonlySet<string> = new Set<keyof Fault>(['name', 'about', 'strike', 'needsLies']);

function isPlain(fault: Fault): boolean {
  return Object.keys(fault).every((member) => plainMembers.has(member));
}

/** All faults, in the order of the table. */
export const catalogue: readonly Fault[] = [
  ...kills,
  ...stops,
  ...postgresFaults,
  ...serverFaults,
  ...s3Faults,
  ...fleets,
  ...poison,
  ...receivers,
  mixed,
];
