import type { DestinationLimits } from '@auditbox/destination-kit/destination.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classifyAnswer } from '../src/destinations/http/classify-answer.ts';
import {
  type CutRequest,
  createCutter,
  halve,
  type PlacedRow,
  requestKey,
} from '../src/export/requests/cut-requests.ts';

/* The pure parts of a delivery by requests. */

const keyParts = { cell: null, destination: 'soc', batchId: '7', sealedAt: '1783077753123456', namesParts: true };
const rowAt = (position: number, bytes: number) => ({ position, bytes }) as PlacedRow;

function cutAll(rows: readonly PlacedRow[], limits: Pick<DestinationLimits, 'maxRows' | 'maxBytes'>): CutRequest[] {
  const cutter = createCutter(limits);
  return [...rows.map((row) => cutter.add(row)), cutter.end()].filter((cut) => cut !== null);
}

const limitsArb = fc.record({ maxRows: fc.integer({ min: 1, max: 5 }), maxBytes: fc.integer({ min: 1, max: 50 }) });
const rowsArb = fc
  .array(fc.record({ bytes: fc.integer({ min: 1, max: 60 }), gap: fc.integer({ min: 0, max: 3 }) }), { maxLength: 30 })
  .map((parts) => {
    let position = -1;
    return parts.map(({ bytes, gap }) => {
      position += 1 + gap;
      return rowAt(position, bytes);
    });
  });

test('every row is in one request, in order, and no request of several rows passes a limit', () => {
  fc.assert(
    fc.property(rowsArb, limitsArb, (rows, limits) => {
      const cuts = cutAll(rows, limits);
      expect(cuts.flatMap((cut) => cut.rows)).toEqual(rows);
      for (const cut of cuts) {
        expect(cut.rows.length).toBeLessThanOrEqual(limits.maxRows);
        const bytes = cut.rows.reduce((sum, row) => sum + row.bytes, 0);
        if (cut.rows.length > 1) expect(bytes).toBeLessThanOrEqual(limits.maxBytes);
      }
    }),
  );
});

test('a delivery that goes on behind any request is cut as if it had never stopped', () => {
  fc.assert(
    fc.property(rowsArb, limitsArb, fc.nat(), (rows, limits, seed) => {
      const cuts = cutAll(rows, limits);
      if (cuts.length === 0) return;
      const kept = seed % cuts.length;
      const next = (cuts[kept]?.rows.at(-1)?.position ?? 0) + 1;
      const rest = cutAll(
        rows.filter(({ position }) => position >= next),
        limits,
      );
      expect(rest).toEqual(cuts.slice(kept + 1));
      expect(rest.map((cut) => requestKey(keyParts, cut))).toEqual(
        cuts.slice(kept + 1).map((cut) => requestKey(keyParts, cut)),
      );
    }),
  );
});

test('the longest key has at most 122 characters and no full stop; each cell has other keys', () => {
  const [cell, destination, batchId] = ['c'.repeat(32), 'a'.repeat(32), '9223372036854775807'];
  const sealedAt = String(Date.UTC(2400, 0, 1) * 1_000);
  const keyOf = (name: string | null) =>
    requestKey({ ...keyParts, cell: name, destination, batchId, sealedAt }, { rows: [rowAt(99_999, 1)], isPart: true });
  expect(keyOf(cell).length).toBeLessThanOrEqual(122);
  expect(keyOf(cell)).not.toContain('.');
  expect(new Set([keyOf(null), keyOf('ash'), keyOf('birch')]).size).toBe(3);
});

test('a batch whose number comes again after a restore has other keys', () => {
  const cut = { rows: [rowAt(0, 1)] } as CutRequest;
  const keyOf = (sealedAt: string | null) => requestKey({ ...keyParts, sealedAt }, cut);
  expect(keyOf('1783077753123456')).toBe('soc/7-hk1qm0i8ao/0');
  expect(keyOf('1783077753123457')).not.toBe(keyOf('1783077753123456'));
  expect(keyOf(null)).toBe('soc/7/0');
});

test('no two requests with the same first row and other rows have the same key', () => {
  const whole = { rows: [0, 1, 2, 3, 4].map((position) => rowAt(position, 1)) } as unknown as CutRequest;
  const parts = (cut: CutRequest): CutRequest[] => [cut, ...(halve(cut) ?? []).flatMap(parts)];
  const cuts = parts(whole);
  const rowsOf = (cut: CutRequest) => cut.rows.map(({ position }) => position).join();
  expect(new Set(cuts.map((cut) => requestKey(keyParts, cut))).size).toBe(new Set(cuts.map(rowsOf)).size);
  const [first] = halve(whole) ?? [];
  expect(first && requestKey(keyParts, first)).toMatch(/^soc\/7-hk1qm0i8ao\/0-[0-9a-f]{12}$/);
  // What an older version began goes on as it was.
  expect(first && requestKey({ ...keyParts, namesParts: false }, first)).toBe('soc/7-hk1qm0i8ao/0');
});

test('a request is halved down to single rows', () => {
  const cut = { rows: [rowAt(0, 1), rowAt(1, 1), rowAt(2, 1)] } as CutRequest;
  expect(halve(cut)?.map(({ rows }) => rows.map(({ position }) => position))).toEqual([[0, 1], [2]]);
  expect(halve({ rows: [rowAt(0, 1)] })).toBeNull();
});

describe('what an answer means', () => {
  const classify = (status: number, headers: Record<string, string> = {}, rules = {}) =>
    classifyAnswer({ status, headers, text: 'said' }, rules, Date.parse('2026-07-03T00:00:00Z'));

  test.each([
    ...[200, 201, 202, 204].map((status) => [status, 'taken'] as const),
    ...[408, 425, 429, 500, 502, 503, 504, 599].map((status) => [status, 'retry'] as const),
    ...[301, 302, 304, 400, 401, 403, 404, 405, 410, 415].map((status) => [status, 'blocked'] as const),
    [413, 'too-large'] as const,
  ])('%i is %s', (status, kind) => {
    expect(classify(status).kind).toBe(kind);
  });

  test('a destination may retry or block what others do not', () => {
    expect(classify(404, {}, { retried: [404] }).kind).toBe('retry');
    expect(classify(500, {}, { blocked: [500] })).toEqual({
      kind: 'blocked',
      code: '500',
      reason: 'The receiver answered 500: said',
    });
  });

  test.each([
    ['7', 7_000],
    ['Fri, 03 Jul 2026 00:00:30 GMT', 30_000],
    ['Thu, 02 Jul 2026 00:00:00 GMT', 0],
    ['99999999999999999999', 1e23],
    ['soon', 0],
    ['', 0],
    ['-5', 0],
    ['7.5', 0],
  ])('Retry-After: %s waits %i ms', (header, afterMs) => {
    expect(classify(503, { 'retry-after': header })).toMatchObject({ kind: 'retry', afterMs });
  });
});
