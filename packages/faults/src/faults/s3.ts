import { setTimeout as sleep } from 'node:timers/promises';
import type { Misbehaviour, S3Proxy, SeenRequest } from '@auditbox/testing/proxies/s3-proxy.ts';
import type { Fault, Strike } from './fault.ts';

/*
 * A store that fails or sends false responses for a while. Each request is affected with a given chance, because a store
 * that fails sometimes is harder to handle than a store that always fails.
 */

type Intervention = S3Proxy['intervene'];

const isUpload = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('.ndjson.');

function misbehaving(name: string, about: string, how: Misbehaviour): Fault {
  return {
    name: `s3-${name}`,
    about: `S3 ${about}`,
    needsLies: true,
    // Uploads count as hits. Other requests are affected in half of the cases.
    strike: (strike) =>
      intervene(strike, (hit) => ({
        before: (seen) => ((isUpload(seen) ? hit() : strike.random.chance(50)) ? how : undefined),
      })),
  };
}

const errors = [
  misbehaving('500', 'answers 500', { status: 500, code: 'InternalError' }),
  misbehaving('slow-down', 'answers 503 SlowDown', { status: 503, code: 'SlowDown' }),
  misbehaving('forbidden', 'answers 403', { status: 403, code: 'AccessDenied' }),
  misbehaving('bucket-gone', 'answers that the bucket does not exist, for a while', {
    status: 404,
    code: 'NoSuchBucket',
  }),
  misbehaving('conflict', 'answers 409', { status: 409, code: 'ConditionalRequestConflict' }),
  misbehaving('silent', 'does not answer', 'silence'),
  misbehaving('reset', 'breaks connections', 'reset'),
  misbehaving('web-page', 'answers 200 with a web page', 'web page'),
  misbehaving('trickle', 'sends a response that never ends', 'trickle'),
];

const lies: readonly Fault[] = [
  {
    name: 's3-reset-in-body',
    about: 'S3 breaks the connection in the middle of the body',
    needsLies: true,
    strike: (strike) =>
      intervene(strike, (hit) => ({ before: (seen) => (isUpload(seen) && hit() ? 'half the body' : undefined) })),
  },
  {
    name: 's3-answer-lost',
    about: 'S3 stores the object, and the response is lost',
    needsLies: true,
    strike: (strike) => {
      const how = strike.random.pick<Misbehaviour>(['reset', 'silence', 'web page', { status: 500, code: 'Internal' }]);
      return intervene(strike, (hit) => ({ after: (seen) => (isUpload(seen) && hit() ? how : undefined) }));
    },
  },
  {
    name: 's3-wrong-checksum',
    about: 'S3 reports the checksum of other bytes',
    needsLies: true,
    strike: (strike) =>
      intervene(strike, (hit) => ({ after: (seen) => (isUpload(seen) && hit() ? 'wrong checksum' : undefined) })),
  },
  {
    name: 's3-overwrites',
    about: 'S3 ignores If-None-Match, and responses are lost',
    needsLies: true,
    overwrites: true,
    strike: (strike) =>
      intervene(strike, (hit) => ({
        before: () => 'overwrite',
        after: (seen) => (isUpload(seen) && hit() ? 'reset' : undefined),
      })),
  },
];

async function intervene(
  { scene: { proxy }, writer, random, holdMs }: Strike,
  as: (hit: () => boolean) => Intervention,
): Promise<void> {
  if (!proxy) throw new Error('This fault needs the S3 proxy.');
  const percent = random.pick([30, 70, 100]);
  let hits = 0;
  proxy.intervene = as(() => {
    const isHit = random.chance(percent);
    if (isHit) hits += 1;
    return isHit;
  });
  await writer.acknowledged(5);
  await sleep(random.between(0, holdMs));
  while (hits === 0) await sleep(20);
  proxy.intervene = {};
}

export const s3Faults: readonly Fault[] = [...errors, ...lies];
