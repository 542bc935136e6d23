import type { Destination, Outcome, Row } from './destination.ts';
import { checkLimits, fillRequest, largestRow } from './fill-limits.ts';
import { inTime, LateError, longestTurnMs, openHandles, withoutExit } from './watch-process.ts';

/** What the tests need to know of a destination and its receiver. */
export interface Conformance {
  /** Makes the destination anew. Each test closes what it opens. */
  readonly open: () => Promise<Destination>;
  /** Everything that the receiver has, as texts that hold the ids of the events. Repeated events may be there twice. */
  readonly received: () => Promise<readonly string[]>;
  /** Takes the receiver away, and brings it back. Without it, an outage is not tested. */
  readonly outage?: { readonly begin: () => Promise<void>; readonly end: () => Promise<void> };
  /** Longest time for one call. Default: 30 seconds. */
  readonly patienceMs?: number;
  /** Lets the receiver accept connections and not answer, and answer again. Without it, a call that hangs is not tested. */
  readonly silence?: { readonly begin: () => Promise<void>; readonly end: () => Promise<void> };
}

/** A test for any runner: `test(name, run)`. `run` rejects with a sentence when the destination breaks the contract. */
export interface ConformanceTest {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Tests whether a destination keeps the contract of `Destination`. */
export function conformanceTests({
  open,
  received,
  outage,
  silence,
  patienceMs = 30_000,
}: Conformance): ConformanceTest[] {
  const { call, send, limited } = createCalls(patienceMs);
  const withOpened = (name: string, run: (destination: Destination) => Promise<void>): ConformanceTest => ({
    name,
    run: () =>
      withoutExit(async () => {
        const destination = await open();
        try {
          await run(destination);
        } finally {
          await limited('close', destination.close());
        }
      }),
  });

  async function expectReceived(rows: readonly Row[]): Promise<void> {
    const texts = await received();
    for (const { id } of rows)
      if (!texts.some((text) => text.includes(id))) throw new Error(`The receiver does not have the event ${id}.`);
  }

  async function expectDelivered(destination: Destination, rows: readonly Row[]): Promise<void> {
    expectTaken(await send(destination, rows));
    await expectReceived(rows);
  }

  return [
    withOpened('limits are whole numbers of at least 1', async ({ limits }) => checkLimits(limits, makeRow())),
    withOpened('check finds nothing that stops delivery to a receiver that works', async (destination) => {
      const findings = await limited('check', destination.check(AbortSignal.timeout(patienceMs)));
      const stopping = findings.filter(({ stopsDelivery }) => stopsDelivery);
      if (stopping.length > 0) throw new Error(`check found: ${stopping.map(({ says }) => says).join(' ')}`);
    }),
    withOpened('one event is taken, and the receiver has it', (destination) =>
      expectDelivered(destination, makeRows(1)),
    ),
    withOpened('a request as large as the limits allow is taken whole', (destination) =>
      expectDelivered(destination, fillRequest(destination.limits, makeRow)),
    ),
    withOpened('a row as large as the limits allow is taken alone', (destination) =>
      expectDelivered(destination, [largestRow(destination.limits, makeRow())]),
    ),
    withOpened('requests that are sent at once are all taken', async (destination) => {
      const requests = Array.from({ length: 8 }, () => makeRows(1));
      for (const outcome of await Promise.all(requests.map((rows) => send(destination, rows)))) expectTaken(outcome);
      await expectReceived(requests.flat());
    }),
    withOpened('the same request again is taken again', async (destination) => {
      const rows = makeRows(2);
      const key = makeKey();
      for (let time = 0; time < 2; time += 1) expectTaken(await send(destination, rows, key));
    }),
    withOpened('events with quotes, line breaks, other scripts and long numbers arrive', async (destination) => {
      const awkward = '{"a":"\\"\\\\\\n\\u0001 é 😀 𝄞 </script>","n":12345678901234567890.123456789}';
      const rows = makeRows(2).map((row) => ({ ...row, line: `{"id":"${row.id}","updated_values":${awkward}}` }));
      await expectDelivered(destination, rows);
    }),
    withOpened('an aborted call ends soon and rejects no event', async (destination) => {
      await expectNoneRejected(call(destination, makeRows(1), makeKey(), AbortSignal.abort()));
    }),
    withOpened('a call does not hold up the process', async (destination) => {
      const turns: number[] = [];
      for (let time = 0; time < 3; time += 1)
        turns.push(await longestTurnMs(() => send(destination, fillRequest(destination.limits, makeRow))));
      const least = Math.min(...turns);
      if (least > longestTurn) throw new Error(`deliver stopped the process for ${Math.round(least)} ms, each time.`);
    }),
    {
      name: 'close frees what keeps the process running',
      run: () =>
        withoutExit(async () => {
          const before = openHandles();
          const destination = await open();
          const sent = Promise.all(Array.from({ length: 4 }, () => send(destination, makeRows(1))));
          await sent.finally(() => limited('close', destination.close()));
          const until = performance.now() + patienceMs;
          while (openHandles() > before) {
            if (performance.now() > until)
              throw new Error('After close, a connection or a child process is still there.');
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }),
    },
    ...(outage === undefined
      ? []
      : [
          withOpened(
            'during an outage nothing is taken or rejected, and afterwards the same request is taken',
            async (destination) => {
              const rows = makeRows(2);
              const key = makeKey();
              await outage.begin();
              const outcome = await send(destination, rows, key)
                .catch((): Outcome => ({ kind: 'retry', code: '', reason: '' }))
                .finally(outage.end);
              if (outcome.kind !== 'retry' && outcome.kind !== 'blocked')
                throw new Error(`During the outage the outcome was ${JSON.stringify(outcome)}.`);
              expectTaken(await send(destination, rows, key));
              await expectReceived(rows);
            },
          ),
        ]),
    ...(silence === undefined
      ? []
      : [
          withOpened('a call that waits for a silent receiver ends soon when it is aborted', async (destination) => {
            const over = new AbortController();
            await silence.begin();
            try {
              const waiting = call(destination, makeRows(1), makeKey(), over.signal);
              setTimeout(() => over.abort(), silenceMs);
              const outcome = await expectNoneRejected(waiting);
              if (outcome?.kind === 'taken') throw new Error('A receiver that did not answer has taken the event.');
            } finally {
              await silence.end();
            }
          }),
        ]),
  ];
}

/** Every other destination waits as long. */
const longestTurn = 1_000;

/** How long a receiver is silent before the call is aborted. */
const silenceMs = 300;

/** Calls of a destination that end within a time. */
function createCalls(patienceMs: number) {
  const limited = <T>(what: string, promise: Promise<T>) => inTime(what, patienceMs, promise);

  /** What a call returned, once it is an outcome. A destination may throw at once. */
  async function call(to: Destination, rows: readonly Row[], key: string, signal: AbortSignal): Promise<Outcome> {
    const returned: unknown = await limited('deliver', to.deliver({ key, batch: '1', rows }, signal));
    const problem = findProblem(returned, rows.length);
    if (problem !== null) throw new BrokenContract(`deliver returned ${JSON.stringify(returned)}: ${problem}`);
    return returned as Outcome;
  }

  return {
    call,
    limited,
    send: (to: Destination, rows: readonly Row[], key = makeKey()) =>
      call(to, rows, key, AbortSignal.timeout(patienceMs)),
  };
}

class BrokenContract extends Error {}

/** An error that is thrown counts as `retry`, but not one that this suite threw. */
async function expectNoneRejected(aborted: Promise<Outcome>): Promise<Outcome | null> {
  const outcome = await aborted.catch((error: unknown) => {
    if (error instanceof BrokenContract || error instanceof LateError) throw error;
    return null;
  });
  // A destination that is done before it looks at the signal has done its work.
  if (outcome?.kind === 'taken-but' || outcome?.kind === 'refused') throw new Error('An aborted call rejected events.');
  return outcome;
}

const kinds: readonly unknown[] = ['taken', 'taken-but', 'refused', 'retry', 'blocked', 'too-large'];

/** Why something is not an outcome of a request with this many rows, or null. */
function findProblem(returned: unknown, rows: number): string | null {
  const { kind, rejected, code, reason, afterMs } = (returned ?? {}) as Readonly<Record<string, unknown>>;
  if (!kinds.includes(kind)) return `its kind must be one of ${kinds.join(', ')}.`;
  if ((kind === 'retry' || kind === 'blocked') && (typeof code !== 'string' || typeof reason !== 'string'))
    return 'code and reason must be texts.';
  if (afterMs !== undefined && !(typeof afterMs === 'number' && afterMs >= 0)) return 'afterMs must be a number.';
  if (kind !== 'taken-but' && kind !== 'refused') return null;
  if (!Array.isArray(rejected) || rejected.length === 0) return 'rejected must name at least one row.';
  const isRow = ({ index, reason: why }: Readonly<Record<string, unknown>>) =>
    Number.isInteger(index) && Number(index) >= 0 && Number(index) < rows && typeof why === 'string';
  return rejected.every((row) => isRow(row ?? {})) ? null : 'each rejected row needs its index and a reason.';
}

function expectTaken(outcome: Outcome): void {
  if (outcome.kind !== 'taken') throw new Error(`The outcome was ${JSON.stringify(outcome)} instead of taken.`);
}

let keys = 0;

function makeKey(): string {
  keys += 1;
  return `conformance/${Date.now()}/${keys}`;
}

/** An event of a moment ago, because some receivers take no old ones. It does not change: it is sent again as it is. */
function makeRow(): Row {
  const time = new Date(Date.now() - 1_000).toISOString().replace('Z', '000Z');
  const id = crypto.randomUUID();
  const about = { action: 'updated', tableName: 'conformance', objectId: 'a "b"', changedBy: 'ana' };
  const line = `{"id":"${id}","updated_values":{"n":1.50}}`;
  return Object.freeze({ id, occurredAt: time, recordedAt: time, ...about, line });
}

function makeRows(count: number): Row[] {
  return Array.from({ length: count }, makeRow);
}
