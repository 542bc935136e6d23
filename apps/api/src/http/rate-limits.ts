import { hashApiKey } from '@auditbox/db/keys/key-form.ts';
import { networkOf } from '@auditbox/process/network-of.ts';
import type { Request, RequestHandler, Response } from 'express';
import { addressOf } from './address-of.ts';
import { getKeyHash } from './caller.ts';
import type { RateLimits } from './http-settings.ts';
import { HttpProblem } from './problem.ts';
import { readBearer } from './read-bearer.ts';

/*
 * Limits are counted in this process alone, in windows of a minute that begin for all callers together. The headers have the
 * form of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/, which is not a standard yet.
 */

const windowMs = 60_000;
const windowS = windowMs / 1000;

/** Callers and networks that are told apart within a minute. */
const maxCounted = 100_000;

/** Counts by caller, which begin anew each minute. */
function createWindow() {
  let began = performance.now();
  let counts = new Map<string, number>();
  const turn = () => {
    const now = performance.now();
    if (now - began < windowMs) return;
    began = now;
    counts = new Map();
  };
  return {
    used(caller: string): number {
      turn();
      return counts.get(caller) ?? 0;
    },
    add(caller: string, amount: number): void {
      turn();
      // Forgetting all of them once lets some more requests through; keeping millions of them would use up the memory.
      if (counts.size >= maxCounted && !counts.has(caller)) counts = new Map();
      counts.set(caller, (counts.get(caller) ?? 0) + amount);
    },
    get secondsLeft() {
      return Math.max(1, Math.ceil((began + windowMs - performance.now()) / 1000));
    },
  };
}

/** What a key uses. */
export type Quota = 'requests' | 'events' | 'bytes';

/** The limits of keys. */
export interface KeyLimits {
  /** Counts what a request uses, and adds the headers. Throws a 429 if it is more than is left; then it is not counted. */
  use(response: Response, quota: Quota, amount: number): void;
}

export function createKeyLimits(limits: RateLimits, holderOf: (response: Response) => string): KeyLimits {
  const quotas = (['requests', 'events', 'bytes'] as const).filter((quota) => limits[quota] > 0);
  if (quotas.length === 0) return { use: () => {} };
  const windows = { requests: createWindow(), events: createWindow(), bytes: createWindow() };
  const policies = quotas
    .map((quota) => `"${quota}";q=${limits[quota]};w=${windowS}${quota === 'bytes' ? ';qu="content-bytes"' : ''}`)
    .join(', ');

  function setHeaders(response: Response, caller: string): void {
    const left = quotas.map((quota) => {
      const window = windows[quota];
      return `"${quota}";r=${Math.max(0, limits[quota] - window.used(caller))};t=${window.secondsLeft}`;
    });
    response.setHeader('ratelimit-policy', policies);
    response.setHeader('ratelimit', left.join(', '));
  }

  return {
    use(response, quota, amount) {
      const caller = holderOf(response);
      const isLimited = limits[quota] > 0;
      const isTooMuch = isLimited && windows[quota].used(caller) + amount > limits[quota];
      if (isLimited && !isTooMuch) windows[quota].add(caller, amount);
      setHeaders(response, caller);
      if (isTooMuch) throw tooMany(quota, limits[quota], windows[quota].secondsLeft);
    },
  };
}

function tooMany(quota: Quota, limit: number, seconds: number): HttpProblem {
  return new HttpProblem(429, `This key may use ${limit} ${quota} in a minute, in each process of the api.`, {
    headers: { 'retry-after': String(seconds) },
    rejectReason: 'overload',
    violatedPolicies: [quota],
  });
}

/** Keys that were valid are known by their hash. */
const maxKnown = 10_000;

/**
 * Limits how many requests without a valid key an address sends, or all addresses of an IPv6 network. Above it, only keys that were valid before are let through,
 * so that a stranger costs no query, and cannot lock out other callers at the same address.
 */
export function limitStrangers({ failedKeys }: RateLimits): RequestHandler {
  if (failedKeys === 0) return (_request, _response, next) => next();
  const failed = createWindow();
  const known = new Set<string>();
  return (request, response, next) => {
    const address = networkOf(addressOf(request));
    if (failed.used(address) >= failedKeys && !isKnown(request))
      throw new HttpProblem(429, 'Too many requests without a valid key came from this address.', {
        headers: { 'retry-after': String(failed.secondsLeft) },
        rejectReason: 'overload',
        violatedPolicies: ['failed-keys'],
      });
    response.on('close', () => {
      if (response.statusCode === 401) failed.add(address, 1);
      else if (response.locals.caller !== undefined) remember(getKeyHash(response) ?? hashBearer(request));
    });
    next();
  };

  function isKnown(request: Request): boolean {
    const name = hashBearer(request);
    return name !== null && known.has(name);
  }

  function remember(name: string | null): void {
    if (name === null || known.has(name)) return;
    if (known.size >= maxKnown) known.delete(known.values().next().value ?? '');
    known.add(name);
  }
}

function hashBearer(request: Request): string | null {
  const token = readBearer(request);
  return token === undefined ? null : hashApiKey(token);
}
