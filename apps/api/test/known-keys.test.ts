import type { ValidKey } from '@auditbox/db/keys/find-keys.ts';
import { afterEach, expect, test, vi } from 'vitest';
import { createKnownKeys } from '../src/keys/known-keys.ts';

afterEach(() => vi.restoreAllMocks());

const stored: ValidKey = {
  rowId: '1',
  keyId: '0197d0d4-0000-7000-8000-000000000001',
  name: 'siem',
  grants: ['read'],
  tenant: null,
  bounds: {},
  expiresAtMs: null,
};

test('a revoked key is valid for less than five seconds more, and for an export for less than one', async () => {
  const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
  let isRevoked = false;
  const keys = createKnownKeys({ find: async () => (isRevoked ? null : stored) });
  expect(await keys.get('hash')).toMatchObject({ name: 'siem' });
  isRevoked = true;
  clock.mockReturnValue(999);
  expect(await keys.get('hash', 1_000)).not.toBeNull();
  clock.mockReturnValue(4_999);
  expect(await keys.get('hash')).not.toBeNull();
  clock.mockReturnValue(5_000);
  expect(await keys.get('hash')).toBeNull();
  isRevoked = false;
  clock.mockReturnValue(9_999);
  expect(await keys.get('hash')).toBeNull();
  expect(await keys.get('hash', 1_000)).not.toBeNull();
});
