import { parseEventTime } from '@auditbox/core/event/event-time.ts';
import { compactText, objectMembers } from '@auditbox/core/json/json-text.ts';
import type { ApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { expect } from 'vitest';
import type { AnswerWatch } from './watch-answers.ts';
import { plantedSecret, type WrittenText } from './written-events.ts';

/** Writes to an api. Each check fails when an event that was accepted is not there, or is another one. */
export function createWriteChecks(api: ApiFixture, statuses: Map<string, number>, watch: AnswerWatch) {
  /** What was sent for each stored event. */
  const accepted = new Map<string, string>();

  async function send(path: string, body: string) {
    const answer = await watch.time(api.request(path, { body }));
    const kind = `POST ${path} ${answer.status}`;
    statuses.set(kind, (statuses.get(kind) ?? 0) + 1);
    expect(answer.status, answer.text).toBeLessThan(500);
    if (answer.status >= 400) {
      expect(answer.body).toMatchObject({ status: answer.status, detail: expect.any(String) });
      if (answer.status === 422) expect(answer.body.errors.length).toBeGreaterThan(0);
    }
    return answer;
  }

  async function readBack(id: string, sent: string): Promise<void> {
    const { status, text } = await watch.time(api.request(`/audit/${id}`));
    expect(status).toBe(200);
    expectSame(sent, text);
    accepted.set(id, sent);
  }

  /** Sends an event alone, twice. */
  async function checkEvent({ text, isValid }: WrittenText): Promise<void> {
    const first = await send('/audit', text);
    if (isValid) expect(first.status, first.text).toBe(201);
    if (first.status !== 201) return expect([400, 422]).toContain(first.status);
    await readBack(first.body.id, text);
    if ((readMembers(text).get('id') ?? 'null') !== 'null') expect((await send('/audit', text)).status).toBe(200);
  }

  /** Sends events together: all of them or none, or each by itself. */
  async function checkBatch(events: readonly WrittenText[], isPartial: boolean): Promise<void> {
    const path = isPartial ? '/audit/batch?partial=true' : '/audit/batch';
    const { status, text, body } = await send(path, `[${events.map((event) => event.text).join()}]`);
    if (events.every(({ isValid }) => isValid)) expect(status, text).toBe(201);
    if (status !== 201) return expect([400, 422]).toContain(status);
    if (body.ids.length !== events.length) return;
    for (const [index, event] of events.entries()) {
      const id = body.ids[index];
      if (event.isValid || !isPartial) expect(id, text).not.toBeNull();
      if (id !== null) await readBack(id, event.text);
    }
  }

  /** Every accepted event is in the export, once, as it was sent. */
  async function checkExport(): Promise<number> {
    const { text } = await api.request('/audit/export');
    const lines = new Map(
      text
        .trimEnd()
        .split('\n')
        .map((line) => [JSON.parse(line).id as string, line]),
    );
    for (const [id, sent] of accepted) expectSame(sent, lines.get(id) ?? '');
    return accepted.size;
  }

  return { checkEvent, checkBatch, checkExport };
}

const values = ['before_value', 'updated_values', 'context'];

/** The stored event is the one that was sent, digit for digit; or its secrets were replaced. */
function expectSame(sent: string, stored: string): void {
  const [given, found] = [readMembers(sent), readMembers(stored)];
  expect(stored).not.toContain(plantedSecret);
  const isRedacted = found.has('redacted');
  expect(isRedacted).toBe(sent.includes(plantedSecret));
  for (const [name, value] of given) {
    const stays = found.get(name);
    if (name === 'updated_at' && value !== 'null') expect(readTime(stays)).toBe(readTime(value));
    else if (values.includes(name)) expect(isRedacted ? value : stays, sent).toBe(value);
    else if (value !== 'null') expect(JSON.parse(stays ?? 'null')).toBe(JSON.parse(value));
  }
}

/** The members of an event as texts without blanks between their tokens. */
function readMembers(text: string): Map<string, string> {
  const json = text.replace(/^\ufeff/, '');
  return new Map(objectMembers(json).map(({ name, value }) => [name, compactText(json, value)]));
}

function readTime(value = '""'): string | undefined {
  return parseEventTime(JSON.parse(value))?.utc;
}
