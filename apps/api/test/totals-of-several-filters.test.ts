import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* No index counts several filters together, so that count stops early. */

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
  await api.db.store([
    ...someEvents(2_200, { table_name: 'many', changed_by: 'ana', object_id: 'both' }),
    ...someEvents(70, { table_name: 'few', changed_by: 'ana', object_id: 'both' }),
  ]);
});
afterAll(() => api.close());
const both = 'changed_by=ana&object_id=both';

test('several filters together are counted up to the next full thousand behind the page; a single filter is counted to the end', async () => {
  const count = async (query: string) => {
    const { total, total_is_exact: isExact, total_pages: pages } = (await api.request(`/audit?${query}`)).body;
    return [total, isExact, pages];
  };
  expect(await count(`${both}&page_size=100`)).toEqual([1_000, false, 10]);
  expect(await count(`${both}&page_size=100&page=9`)).toEqual([1_000, false, 10]);
  expect(await count(`${both}&page_size=100&page=10`)).toEqual([2_000, false, 20]);
  expect(await count(`${both}&page_size=100&page=20`)).toEqual([2_270, true, 23]);
  expect(await count(`${both}&page_size=30&page=34`)).toEqual([2_000, false, 67]);
  expect(await count('search=both&page_size=100')).toEqual([1_000, false, 10]);
  for (const single of ['changed_by=ana', 'object_id=both', 'changed_by_prefix=a', 'start_date=2020-01-01'])
    expect(await count(`${single}&page_size=100`)).toEqual([2_270, true, 23]);
  expect(await count('table_name=few&changed_by=ana')).toEqual([70, true, 7]);
});

test('a client that asks for the next page up to the total_pages of the last answer gets every event once', async () => {
  const ids: string[] = [];
  for (let page = 1, pages = 1; page <= pages; page += 1) {
    const { body } = await api.request(`/audit?${both}&page_size=100&page=${page}`);
    ids.push(...body.audit_logs.map(({ id }: { id: string }) => id));
    pages = body.total_pages;
  }
  expect(ids).toHaveLength(2_270);
  expect(new Set(ids).size).toBe(2_270);
});
