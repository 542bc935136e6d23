/**
 * Makes one call of many: what comes while a call is under way waits and is sent by the next one together, in the order
 * in which it came. Nobody waits for company, but all wait for the call under way: it needs a deadline. `sendAll` resolves to a result for each item; when it rejects, all of
 * its items do.
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
