import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { findBoundsProblems, type KeyBounds } from '@auditbox/core/keys/key-bounds.ts';
import { expandGrants, type Grant, grants } from '@auditbox/core/keys/scopes.ts';
import { allTenants, oneTenant } from '@auditbox/core/keys/tenant-scope.ts';
import { finish } from '@auditbox/core/steps.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Caller } from '../src/http/caller.ts';
import { findGain, inheritRights, type KeyRights } from '../src/keys/issue-key.ts';
import { createAddressCheck, isNetworkWithin } from '../src/keys/networks.ts';

/*
 * Whatever rights a caller asks for: a key that it gets may do nothing that the caller may not do. What a key may do is tried
 * with events, addresses and times, by the code that decides about requests.
 */

const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 4 });
const patterns = fc.array(text, { minLength: 1, maxLength: 2 });
const networks = [
  ...['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '10.1.2.3/8', '192.0.2.0/24', '127.0.0.1'],
  ...[
    '::/0',
    '::ffff:0:0/96',
    '::ffff:10.0.0.0/104',
    '::ffff:10.1.2.3/96',
    '::1',
    'fe80::/10',
    '2001:db8::/32',
    '2001:db8:1::/48',
  ],
];
const addresses = [
  '10.1.2.3',
  '10.1.9.9',
  '10.9.9.9',
  '11.0.0.1',
  '192.0.2.7',
  '127.0.0.1',
  '::1',
  'fe80::1',
  '2001:db8:1::1',
  '2001:db8:2::1',
  '2002::1',
];
const days = fc.nat(3);

const bounds: fc.Arbitrary<KeyBounds> = fc.record(
  {
    signs_keys: fc.boolean(),
    changed_by: patterns,
    table_name: patterns,
    action: patterns,
    oldest_event_days: days,
    addresses: fc.array(fc.constantFrom(...networks), { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const scopes = fc.uniqueArray(fc.constantFrom(...(grants as Grant[])), { minLength: 1, maxLength: 3 });
const tenant = fc.constantFrom(null, 'acme', 'globex');
const end = fc.constantFrom(null, 1_000, 2_000, 3_000);

const toText = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
const rights: fc.Arbitrary<KeyRights> = fc.record({ scopes, tenant, bounds, expiresAt: end.map(toText) });

/** Rights of two callers that differ in some parts only, so that many of the second kind are within the first. */
const similar = fc
  .tuple(rights, rights, fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }))
  .map(([own, other, isOther]) => {
    const pick = <T extends object>(one: T, two: T, from: number) =>
      Object.fromEntries(
        [...new Set([...Object.keys(one), ...Object.keys(two)])]
          .map((name, n) => [name, (isOther[from + n] ? two : one)[name as keyof T]])
          .filter(([, value]) => value !== undefined),
      ) as T;
    const wanted = pick(own, other, 0);
    return { own, wanted: { ...wanted, bounds: pick(own.bounds, other.bounds, 3) } };
  });

const toCaller = (of: KeyRights): Caller => ({
  id: 'its-id',
  name: 'caller',
  recordedBy: 'key:its-id:caller',
  scopes: expandGrants(of.scopes),
  tenant: of.tenant === null ? allTenants : oneTenant(of.tenant),
  bounds: of.bounds,
  expiresAtMs: of.expiresAt === null ? null : Date.parse(of.expiresAt),
  isStillValid: async () => true,
});

const word = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 6 });
const deed = fc.record({
  changedBy: word,
  tableName: word,
  action: word,
  apiKey: fc.constantFrom('', 'its-id', 'another'),
  address: fc.constantFrom(...addresses),
  tenant: fc.constantFrom('acme', 'globex'),
  daysAgo: days,
  at: fc.constantFrom(500, 1_500, 2_500, 3_500),
});
type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

/** Whether a key with these rights may write an event, and which of its scopes a request with it has. */
function may({ tenant: bound, bounds: limits, expiresAt }: KeyRights, tried: Deed): boolean {
  const event = createAuditEvent({
    changed_by: tried.changedBy,
    changed_by_api_key: tried.apiKey,
    action: tried.action,
    table_name: tried.tableName,
    object_id: '1',
  });
  return (
    findBoundsProblems(limits, 'its-id', event).length === 0 &&
    createAddressCheck(limits.addresses)(tried.address) &&
    (bound === null || bound === tried.tenant) &&
    tried.daysAgo <= (limits.oldest_event_days ?? Infinity) &&
    (expiresAt === null || tried.at < Date.parse(expiresAt))
  );
}

test('a key that a caller makes or takes may do nothing that the caller may not do', () => {
  let made = 0;
  const tries = fc.array(deed, { minLength: 20, maxLength: 20 });
  const property = fc.property(similar, tries, ({ own, wanted }, deeds) => {
    const caller = toCaller(own);
    // Made by the caller, and taken by a rotation.
    for (const given of [inheritRights(wanted, caller), wanted]) {
      if (finish(findGain(given, caller)) !== null) continue;
      made += 1;
      for (const scope of expandGrants(given.scopes)) expect(caller.scopes.has(scope)).toBe(true);
      for (const tried of deeds)
        if (may(given, tried)) expect(may(own, tried), JSON.stringify({ given, tried })).toBe(true);
    }
  });
  fc.assert(property, { numRuns: 5_000 });
  expect(made).toBeGreaterThan(200);
});

test('a caller may make a key like itself, and a narrower one by each bound', () => {
  const property = fc.property(rights, rights, (own, wanted) => {
    const caller = toCaller(own);
    expect(finish(findGain(own, caller))).toBeNull();
    const plain = { ...own, bounds: {}, tenant: null, expiresAt: null };
    expect(finish(findGain(inheritRights(plain, caller), caller))).toBeNull();
    const free = toCaller({ scopes: ['admin'], tenant: null, bounds: { signs_keys: true }, expiresAt: null });
    expect(finish(findGain(inheritRights(wanted, free), free))).toBeNull();
    expect(inheritRights(wanted, free)).toEqual(wanted);
  });
  fc.assert(property, { numRuns: 500 });
});

test('a network that is within another one has no address outside of it', () => {
  const pairs = networks.flatMap((network) => networks.map((other) => [network, other] as const));
  const within = pairs.filter(([network, other]) => isNetworkWithin(network, other));
  expect(within.length).toBeGreaterThan(networks.length);
  for (const [network, other] of within)
    for (const address of addresses.filter(createAddressCheck([network])))
      expect(createAddressCheck([other])(address), `${address} of ${network} in ${other}`).toBe(true);
});
