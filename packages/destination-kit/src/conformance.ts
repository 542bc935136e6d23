import type { Destination, DestinationLimits, Outcome, Row } from './destination.ts';

/** What the tests need to know of a destination and its receiver. */
export interface Conformance {
  /** Makes the destination anew. Each test closes what it opens. */
  readonly open: () => Promise<Destination>;
  /** Everything that the receiver has, as texts that hold the ids of the events. Repeated events may be there twice. */
  readonly received: () => Promise<readonly string[]>;
  /** Takes the receiver away, and brings it back. Without it, an outage is not tested. */
  readonly outage?: { readonly begin: () => Promise<void>; readonly end: () => Promise<void> };
}

/** A test for any runner: `test(name, run)`. `run` rejects with a sentence when the destination breaks the contract. */
export interface ConformanceTest {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Longest time for one call in these tests. */
const patienceMs = 30_000;

/** Tests whether a destination keeps the contract of `Destination`. */
export function conformanceTests({ open, received, outage }: Conformance): ConformanceTest[] {
  const withOpened = (name: string, run: (destination: Destination) => Promise<void>): ConformanceTest => ({
    name,
    run: async () => {
      const destination = await open();
      try {
        await run(destination);
      } finally {
        await inTime('close', destination.close());
      }
    },
  });

  async function expectReceived(rows: readonly Row[]): Promise<void> {
    const texts = await received();
    for (const { id } of rows)
      if (!texts.some((text) => text.includes(id))) throw new Error(`The receiver does not have the event ${id}.`);
  }

  return [
    withOpened('limits are whole numbers of at least 1', async ({ limits }) => {
      for (const name of ['maxRows', 'maxBytes', 'maxRowBytes'] as const)
        if (!Number.isInteger(limits[name]) || limits[name] < 1) throw new Error(`limits.${name} is ${limits[name]}.`);
    }),
    withOpened('check finds nothing that stops delivery to a receiver that works', async (destination) => {
      const findings = await inTime('check', destination.check(AbortSignal.timeout(patienceMs)));
      const stopping = findings.filter(({ stopsDelivery }) => stopsDelivery);
      if (stopping.length > 0) throw new Error(`check found: ${stopping.map(({ says }) => says).join(' ')}`);
    }),
    withOpened('one event is taken, and the receiver has it', async (destination) => {
      const rows = makeRows(1);
      expectTaken(await send(destination, rows));
      await expectReceived(rows);
    }),
    withOpened('a request as large as the limits allow is taken whole', async (destination) => {
      const rows = fillLimits(destination.limits);
      expectTaken(await send(destination, rows));
      await expectReceived(rows);
    }),
    withOpened('the same request again is taken again', async (destination) => {
      const rows = makeRows(2);
      const key = makeKey();
      for (let time = 0; time < 2; time += 1) expectTaken(await send(destination, rows, key));
    }),
    withOpened('events with quotes, line breaks, other scripts and long numbers arrive', async (destination) => {
      const awkward = '{"a":"\\"\\\\\\n\\u0001 é 😀 𝄞 </script>","n":12345678901234567890.123456789}';
      const rows = makeRows(2).map((row) => ({ ...row, line: `{"id":"${row.id}","updated_values":${awkward}}` }));
      expectTaken(await send(destination, rows));
      await expectReceived(rows);
    }),
    withOpened('an aborted call ends soon and rejects no event', async (destination) => {
      const outcome = await inTime(
        'deliver',
        destination.deliver({ key: makeKey(), batch: '1', rows: makeRows(1) }, AbortSignal.abort()).catch(() => null),
      );
      // A destination that is done before it looks at the signal has done its work.
      if (outcome?.kind === 'taken-but' || outcome?.kind === 'refused')
        throw new Error('An aborted call rejected events.');
    }),
    ...(outage === undefined
      ? []
      : [
          withOpened(
            'during an outage nothing is taken or rejected, and afterwards the same request is taken',
            async (destination) => {
              const rows = makeRows(2);
              const key = makeKey();
              await outage.begin();
              const outcome = await send(destination, rows, key).catch(() => ({ kind: 'retry' }) as const);
              await outage.end();
              if (outcome.kind !== 'retry' && outcome.kind !== 'blocked')
                throw new Error(`During the outage the outcome was ${JSON.stringify(outcome)}.`);
              expectTaken(await send(destination, rows, key));
              await expectReceived(rows);
            },
          ),
        ]),
  ];
}

function send(destination: Destination, rows: readonly Row[], key = makeKey()): Promise<Outcome> {
  const call = destination.deliver({ key, batch: '1', rows }, AbortSignal.timeout(patienceMs));
  return inTime('deliver', call);
}

function expectTaken(outcome: Outcome): void {
  if (outcome.kind !== 'taken') throw new Error(`The outcome was ${JSON.stringify(outcome)} instead of taken.`);
}

let keys = 0;

function makeKey(): string {
  keys += 1;
  return `conformance/${Date.now()}/${keys}`;
}

/** Events of a moment ago, because some receivers take no old ones. */
function makeRows(count: number): Row[] {
  const time = new Date(Date.now() - 1_000).toISOString().replace('Z', '000Z');
  return Array.from({ length: count }, () => {
    const id = crypto.randomUUID();
    const about = { action: 'updated', tableName: 'conformance', objectId: 'a "b"', changedBy: 'ana' };
    return { id, occurredAt: time, recordedAt: time, ...about, line: `{"id":"${id}","updated_values":{"n":1.50}}` };
  });
}

const mostTestedRows = 2_000;

/** As many rows as one request may have. */
function fillLimits({ maxRows, maxBytes, rowBytes }: DestinationLimits): Row[] {
  const sizeOf = rowBytes ?? ((row: Row) => Buffer.byteLength(row.line) + 1);
  const rows: Row[] = [];
  let bytes = 0;
  for (const row of makeRows(Math.min(maxRows, mostTestedRows))) {
    bytes += sizeOf(row);
    if (bytes > maxBytes && rows.length > 0) break;
    rows.push(row);
  }
  return rows;
}

async function inTime<T>(what: string, call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not end within ${patienceMs} ms.`)), patienceMs);
  });
  return Promise.race([call, late]).finally(() => clearTimeout(timer));
}
