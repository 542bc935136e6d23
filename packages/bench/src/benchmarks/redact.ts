import { hash } from 'node:crypto';
import { eventReader } from '@auditbox/core/event/read-event.ts';
import { createRedactor } from '@auditbox/core/redact/redact-event.ts';
import { finish } from '@auditbox/core/steps.ts';
import { createHasher } from '@auditbox/db/events/content-hash.ts';
import { type BenchmarkResult, createLedger, rotate } from '../figures.ts';
import { names } from '../names.ts';
import type { Rig } from '../rig/rig.ts';
import { eventBodies } from '../workload/event-bodies.ts';
import { auditbox, measure as measureApi } from './ingest.ts';

/**
 * What redaction costs: the time of its function, next to other work of the api on an event, and the processor time of a whole
 * api that stores events with and without it.
 */

const measure = 'µs an event';
const count = 2_000;
const passes = 20;

const plain = eventBodies(count);
/** As LiteLLM writes them. */
const textsInTexts = plain.map((body) => {
  const { before_value, updated_values, ...event } = JSON.parse(body);
  return JSON.stringify({
    ...event,
    before_value: JSON.stringify(before_value),
    updated_values: JSON.stringify(updated_values),
  });
});
const withSecrets = plain.map((body) => body.replace('"metadata":{}', '"metadata":{"api_key":"hunter2-secret"}'));

type Ledger = ReturnType<typeof createLedger>;

export async function redact(
  rig: Rig,
  {
    functionTurns,
    turns,
    seconds,
  }: { readonly functionTurns: number; readonly turns: number; readonly seconds: number },
): Promise<BenchmarkResult> {
  const ledger = createLedger();
  timeFunctions(ledger, functionTurns);
  await timeApis(rig, ledger, turns, seconds);
  return { name: 'redact', title: 'Time of the redaction of an event', figures: ledger.figures(), plotted: measure };
}

const apis = [auditbox(names.auditbox, {}), auditbox(names.auditboxNoRedaction, { AUDIT_REDACT_MODE: 'off' })] as const;

/** The apis take turns, because processor time depends on what else the machine does. */
async function timeApis(rig: Rig, ledger: Ledger, turns: number, seconds: number): Promise<void> {
  for (const [eventsPerRequest, connections] of [
    [1, 32],
    [200, 8],
  ] as const) {
    const condition = names.ingest(connections, eventsPerRequest);
    for (let turn = 0; turn < turns; turn += 1) {
      for (const api of rotate(apis, turn)) {
        const path = eventsPerRequest === 1 ? ('/audit' as const) : ('/audit/batch' as const);
        const load = { path, eventsPerRequest, connections, durationMs: seconds * 1000 };
        const { [names.apiTime]: cpu } = await measureApi(rig, api, load);
        // Other systems than Linux do not count it.
        if (!cpu) continue;
        ledger.add(api.name, condition, names.apiTime, cpu);
        rig.say(`redact, ${condition}: ${api.name} ${cpu.toFixed(1)} µs of the api an event`);
      }
    }
  }
}

function timeFunctions(ledger: Ledger, turns: number): void {
  const read = eventReader('any');
  const hasher = createHasher('0'.repeat(64));
  const redactor = createRedactor({
    names: [],
    prefixes: [],
    skippedKinds: [],
    digest: null,
    sha256: (text) => hash('sha256', text),
  });
  const conditions = { 'no secret': plain, 'JSON text in a text': textsInTexts, 'a secret': withSecrets };
  for (let turn = 0; turn < turns; turn += 1) {
    for (const [condition, bodies] of Object.entries(conditions)) {
      const events = bodies.map((body) => {
        const event = read(body);
        if (!event.ok) throw new Error(`The event of the benchmark is invalid: ${JSON.stringify(event.problems)}`);
        return event.value;
      });
      ledger.add(names.reading, condition, measure, time(bodies, read));
      ledger.add(names.hashing, condition, measure, time(events, hasher.hash));
      ledger.add(
        names.redacting,
        condition,
        measure,
        time(events, (event) => redactor.isClean(event) || finish(redactor.redactEvent(event))),
      );
    }
  }
}

/** Microseconds of one call: the best of several passes, because other work on the machine only adds to it. */
function time<T>(inputs: readonly T[], work: (input: T) => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass < passes; pass += 1) {
    const startedAt = performance.now();
    for (const input of inputs) work(input);
    best = Math.min(best, ((performance.now() - startedAt) * 1000) / inputs.length);
  }
  return best;
}
