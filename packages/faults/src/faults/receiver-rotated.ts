import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Receiver } from '../scene/receiver.ts';
import { restartExporters } from '../scene/restart.ts';
import { BrokenPromise, type Fault, type Strike } from './fault.ts';
import { compareLagOfS3, databaseNow, expectOneKeyEach, judgeReceiver, receiverOf, webhook } from './judge-receiver.ts';

/** The receiver accepts one secret and refuses every other with 401. Nobody else may notice that it changes. */
export const receiverRotated: Fault = {
  name: 'receiver-credentials-rotated',
  about: 'a webhook whose secret changes while it is delivered to: too early, or with both secrets for a while',
  destination: webhook,
  alone: true,
  async strike(strike) {
    const { scene, random } = strike;
    const receiver = receiverOf(scene);
    const old = currentSecret(receiver);
    const next = `whsec_${randomBytes(32).toString('base64')}`;
    const lock = lockWith(receiver, old);
    if (random.chance(50)) await rotateWithBoth(strike, { lock, old, next });
    else await rotateTooEarly(strike, { lock, next });
    await judgeReceiver(strike);
    expectOneKeyEach(receiver);
  },
};

interface Lock {
  secret: string;
  /** Requests that were not signed with the secret. */
  refused: number;
}

/** As the documents advise: requests have both signatures when the receiver changes. It refuses none of them. */
async function rotateWithBoth(
  { scene, random }: Strike,
  { lock, old, next }: { lock: Lock; old: string; next: string },
): Promise<void> {
  const receiver = receiverOf(scene);
  await moreRequests(receiver);
  await receiver.configure({ ...webhook, secrets: [next, old] });
  await restartExporters(scene, random.pick(['SIGTERM', 'SIGKILL']));
  await moreRequests(receiver);
  lock.secret = next;
  await moreRequests(receiver);
  await receiver.configure({ ...webhook, secrets: [next] });
  await restartExporters(scene, random.pick(['SIGTERM', 'SIGKILL']));
  await moreRequests(receiver);
  if (lock.refused > 0) throw new BrokenPromise(`${lock.refused} requests lacked a signature that was configured.`);
}

/** The old secret stops working first. Events wait until the new one comes, and S3 does not. */
async function rotateTooEarly(
  { scene, writer, random }: Strike,
  { lock, next }: { lock: Lock; next: string },
): Promise<void> {
  const receiver = receiverOf(scene);
  const from = await databaseNow(scene);
  await writer.acknowledged(40);
  const refusedFrom = await databaseNow(scene);
  lock.secret = next;
  await writer.acknowledged(40);
  const refusedUntil = await databaseNow(scene);
  const lag = await compareLagOfS3(scene, { from, until: refusedFrom }, { from: refusedFrom, until: refusedUntil });
  // On a busy machine S3 may have everything before the receiver gets its first request.
  while (lock.refused === 0) await sleep(20);
  await receiver.configure({ ...webhook, secrets: [next] });
  await restartExporters(scene, random.pick(['SIGTERM', 'SIGKILL']));
  await writer.acknowledged(5);
  lag.expect();
}

/** Writers go on, so more requests come. */
async function moreRequests({ received }: Receiver): Promise<void> {
  for (const from = received.length; received.length < from + 3; ) await sleep(20);
}

function currentSecret({ entry }: Receiver): string {
  return (entry as typeof webhook).secrets[0];
}

function lockWith(receiver: Receiver, secret: string): Lock {
  const lock: Lock = { secret, refused: 0 };
  receiver.misbehave = ({ headers, body }) => {
    if (isSigned(headers, body, lock.secret)) return undefined;
    lock.refused += 1;
    return { status: 401 };
  };
  return lock;
}

/** As Standard Webhooks prescribes, written apart from the code that signs. */
function isSigned(headers: IncomingHttpHeaders, body: string, secret: string): boolean {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const signature = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
  return String(headers['webhook-signature']).split(' ').includes(signature);
}
