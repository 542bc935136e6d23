import { gather } from '@auditbox/process/gather.ts';
import { expect, test } from 'vitest';

/** A function whose calls the test answers. */
function held() {
  const calls: { items: readonly number[]; answer: PromiseWithResolvers<readonly string[]> }[] = [];
  const ask = gather<number, string>((items) => {
    const answer = Promise.withResolvers<readonly string[]>();
    calls.push({ items, answer });
    return answer.promise;
  });
  return { calls, ask };
}

test('the first item is sent at once, later items are sent together, and each gets its own result', async () => {
  const { calls, ask } = held();
  const first = ask(1);
  const others = [ask(2), ask(3)];
  expect(calls.map(({ items }) => items)).toEqual([[1]]);
  calls[0]?.answer.resolve(['one']);
  expect(await first).toBe('one');
  expect(calls[1]?.items).toEqual([2, 3]);
  calls[1]?.answer.resolve(['two', 'three']);
  expect(await Promise.all(others)).toEqual(['two', 'three']);
});

test('a failed call rejects only its own items', async () => {
  const { calls, ask } = held();
  const first = ask(1);
  const second = ask(2);
  calls[0]?.answer.reject(new Error('no'));
  await expect(first).rejects.toThrow('no');
  calls[1]?.answer.resolve(['two']);
  expect(await second).toBe('two');
});
