import { setTimeout as sleep } from 'node:timers/promises';
import { type Receiver, receiverName } from '../scene/receiver.ts';
import { waitUntilExported } from '../scene/wait-until-exported.ts';
import { BrokenPromise, type Fault, type Strike } from './fault.ts';
import { compareLagOfS3, databaseNow, judgeReceiver, receiverOf, webhook } from './judge-receiver.ts';
import { receiverAdded } from './receiver-added.ts';
import { receiverPaused } from './receiver-paused.ts';
import { receiverRotated } from './receiver-rotated.ts';

/*
 * Faults of a destination other than S3. Its receiver must get every event at least once, each key always with the same bytes, and S3
 * must not notice it.
 */

/** The collector's own answer takes a request. A web page with the status 200 does not. */
const collector = { type: 'splunk-hec', token: 'secret', maxRows: 7, timeoutMs: 500 } as const;

const dead: Fault = {
  name: 'receiver-dead-for-ever',
  about: 'a webhook that is dead for ever; the lag of S3 stays what it was',
  destination: { ...webhook, timeoutMs: 60_000 },
  alone: true,
  async strike({ scene, writer, random }) {
    const receiver = receiverOf(scene);
    receiver.misbehave = null;
    const healthyFrom = await databaseNow(scene);
    await writer.acknowledged(40);
    const deadFrom = await databaseNow(scene);
    const how = random.pick(['hang', { status: 500 }, { status: 401 }] as const);
    receiver.misbehave = () => how;
    await writer.acknowledged(40);
    const deadUntil = await databaseNow(scene);
    const lag = await compareLagOfS3(
      scene,
      { from: healthyFrom, until: deadFrom },
      { from: deadFrom, until: deadUntil },
    );
    // An exporter that starts during the outage exports too.
    await scene.exporters.killAll();
    await writer.acknowledged(10);
    await writer.stop();
    await waitUntilExported(scene);
    lag.expect();
    const [{ waiting, rejected }] = await scene.db.sql<[{ waiting: number; rejected: number }]>`
      select (select count(*)::int from auditbox.delivery d where d.destination = ${receiverName} and d.state <> 'done') as waiting,
        (select count(*)::int from auditbox.rejection r where r.destination = ${receiverName}) as rejected`;
    if (waiting === 0 || rejected > 0)
      throw new BrokenPromise(`The dead receiver has ${waiting} batches waiting and ${rejected} rejected rows.`);
  },
};

const killed: Fault = {
  name: 'receiver-exporter-killed-after-request',
  about: 'exporters killed between a 200 of a webhook and the mark',
  destination: webhook,
  alone: true,
  async strike(strike) {
    const { exporters } = strike.scene;
    const { random } = strike;
    const before = exporters.struck;
    // Few, because a process that dies here has not served S3 for long either.
    for (let left = random.between(1, 4); left > 0; left -= 1)
      exporters.arm({ FAULT_POINT: 'exporter after a request', FAULT_HIT: String(random.between(1, 3)) }, 1);
    await exporters.killAll();
    await exporters.disarmed();
    if (exporters.struck === before) throw new BrokenPromise('No process was killed after a request.');
    await judgeReceiver(strike);
    const keys = receiverOf(strike.scene).received.map(({ key }) => key);
    if (new Set(keys).size === keys.length) throw new BrokenPromise('No request came again.');
  },
};

const lying: Fault = {
  name: 'receiver-lies',
  about: 'a collector in whose place something else answers 200',
  destination: collector,
  alone: true,
  async strike(strike) {
    const { random } = strike;
    const lies = ['', '<html>Log in</html>', '{}', '[]', '{"code":9}', '{"code":0', 'null'];
    await misbehaveFor(strike, () => ({ status: 200, body: random.pick(lies) }));
    await judgeReceiver(strike);
  },
};

const slow: Fault = {
  name: 'receiver-slow-loris',
  about: 'a webhook that answers a byte now and then, for ever',
  destination: webhook,
  alone: true,
  async strike(strike) {
    await misbehaveFor(strike, () => 'slow loris');
    await judgeReceiver(strike);
  },
};

const broken: Fault = {
  name: 'receiver-breaks-off',
  about: 'a webhook whose answers are lost, or are 500',
  destination: webhook,
  alone: true,
  async strike(strike) {
    await misbehaveFor(strike, () => strike.random.pick(['cut', 'hang', { status: 500 }] as const));
    await judgeReceiver(strike);
  },
};

const retryAfterMs = 1_000;

const limited: Fault = {
  name: 'receiver-429',
  about: 'a webhook that answers 429 with Retry-After, which is obeyed',
  destination: webhook,
  alone: true,
  async strike(strike) {
    const receiver = receiverOf(strike.scene);
    const first = receiver.received.length;
    await misbehaveFor(strike, () => ({ status: 429, headers: { 'retry-after': String(retryAfterMs / 1000) } }));
    await judgeReceiver(strike);
    const requests = receiver.received.slice(first);
    for (const [index, { key, isTaken, at }] of requests.entries()) {
      // Each cell has its own exporter, which obeys what it was told.
      const next = requests.slice(index + 1).find((one) => cellOfKey(one.key) === cellOfKey(key));
      // The time is taken where the request arrives, and timers may be a few milliseconds early.
      if (!isTaken && next && next.at - at < retryAfterMs - 20)
        throw new BrokenPromise(`A request came ${next.at - at} ms after a 429 with Retry-After: 1.`);
    }
  },
};

/** `<cell>/<destination>/<batch>/<row>`, without cells `<destination>/<batch>/<row>`. */
function cellOfKey(key: string | null): string | undefined {
  return key?.split('/').at(-4);
}

/** Lets the receiver answer some of its requests in this way, for a while. */
async function misbehaveFor(
  { scene, writer, random, holdMs }: Strike,
  how: () => ReturnType<NonNullable<Receiver['misbehave']>>,
): Promise<void> {
  const receiver = receiverOf(scene);
  const percent = random.pick([30, 70, 100]);
  let hits = 0;
  receiver.misbehave = () => {
    if (!random.chance(percent)) return undefined;
    hits += 1;
    return how();
  };
  await writer.acknowledged(5);
  await sleep(random.between(0, holdMs));
  while (hits === 0) await sleep(20);
  receiver.misbehave = null;
}

export const receivers: readonly Fault[] = [
  ...[dead, killed, lying, slow, broken, limited],
  ...[receiverRotated, receiverAdded, receiverPaused],
];
