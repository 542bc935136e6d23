/** Opens the part of an export that begins at a cursor. `onEnd` is called before the part ends. */
type OpenPart = (
  cursor: string | undefined,
  onEnd: (nextCursor: string | null) => void,
) => Promise<ReadableStream<Uint8Array>>;

/** The parts of an export as one stream. The first part is opened at once, so that its error is thrown here. */
export async function joinParts(openPart: OpenPart, cursor: string | undefined): Promise<ReadableStream<Uint8Array>> {
  let next: string | null = null;
  const note = (nextCursor: string | null) => {
    next = nextCursor;
  };
  let reader = (await openPart(cursor, note)).getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          if (next === null) return controller.close();
          const begin: string = next;
          next = null;
          reader = (await openPart(begin, note)).getReader();
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
