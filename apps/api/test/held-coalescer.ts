import { createCoalescer } from '../src/write/coalescer.ts';

/** A coalescer whose statements are held until they are let go. */
export function createHeldCoalescer(limits: Partial<Parameters<typeof createCoalescer>[1]> = {}) {
  const statements: { readonly names: string[]; end(): void }[] = [];
  const coalescer = createCoalescer(
    (events) =>
      new Promise((resolve) => {
        statements.push({
          names: events.map(({ changedBy }) => changedBy),
          end: () => resolve(events.map(() => ({ stored: false, error: new Error('ended') }))),
        });
      }),
    {
      maxFlushes: 1,
      maxEventsPerFlush: 10,
      maxBytesPerFlush: 1_000_000,
      maxWaiting: 100,
      maxWaitingBytes: 1_000_000,
      deadlineMs: 600_000,
      ...limits,
    },
  );
  /** An event of the key `name`, by the actor `by`. */
  const makeEvent = (name: string, length = 0, by = name) =>
    ({
      id: null,
      occurredAt: null,
      changedBy: by,
      changedByApiKey: '',
      action: 'created',
      tableName: 't',
      objectId: '1',
      beforeValue: null,
      updatedValues: JSON.stringify('x'.repeat(length)),
      context: null,
      tenant: '',
      origin: { recordedBy: `key:${name}`, contentHash: null, redacted: null },
    }) as Parameters<typeof coalescer.write>[0];
  const write = (name: string, length = 0, by = name) => coalescer.write(makeEvent(name, length, by));
  return { coalescer, statements, makeEvent, write };
}
