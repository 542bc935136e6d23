/**
 * Combines many calls into few. The first item is sent at once. Items that arrive during a call wait and are sent
 * together by the next call, in order of arrival. All of them wait for the call in progress, so it needs a deadline.
 * `sendAll` resolves to one result for each item. When it rejects, all its items are rejected.
 */
export function gather<Item, Result>(
  sendAll: (items: readonly Item[]) => Promise<readonly Result[]>,
): (item: Item) => Promise<Result> {
  interface Waiting {
    readonly item: Item;
    resolve(result: Result): void;
    reject(error: unknown): void;
  }
  let waiting: Waiting[] = [];
  let isSending = false;

  async function send(): Promise<void> {
    isSending = true;
    while (waiting.length > 0) {
      const together = waiting;
      waiting = [];
      try {
        const results = await sendAll(together.map(({ item }) => item));
        if (results.length !== together.length)
          throw new Error(`${together.length} items got ${results.length} results.`);
        for (const [index, { resolve }] of together.entries()) resolve(results[index] as Result);
      } catch (error) {
        for (const { reject } of together) reject(error);
      }
    }
    isSending = false;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!isSending) void send();
    });
}
