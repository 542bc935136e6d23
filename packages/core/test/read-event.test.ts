import { expect, test } from 'vitest';
import { createAuditEvent } from '../src/event/create-audit-event.ts';
import { eventReader } from '../src/event/read-event.ts';
import { readBatch } from '../src/event/read-events.ts';
import type { BatchForm } from '../src/event/slice-events.ts';

const readEvent = eventReader(['created', 'updated']);
const read = (text: string) => readEvent(text);
function readAll(text: string, form: BatchForm, maxEvents = 10) {
  const steps = readBatch(text, form, readEvent, maxEvents);
  for (let count = 0; ; count += 1) {
    const step = steps.next();
    if (step.done) return { ...step.value, steps: count };
  }
}
const least = '"changed_by":"ana","action":"updated","table_name":"teams","object_id":"42"';

test('values keep every digit, null stays null, Unicode stays', () => {
  const values =
    '{"n":12345678901234567890,"f":0.1000000000000000055,"e":1e400,"none":null,"text":"žluťoučký 🐎 \\u00e9"}';
  const event = read(`{${least},"before_value":null,"updated_values":${values}}`);
  expect(event).toMatchObject({ ok: true, value: { beforeValue: null, updatedValues: values } });
});

test('absent fields stay null, for the writer to fill in', () => {
  expect(read(`{${least}}`)).toEqual({
    ok: true,
    value: {
      id: null,
      occurredAt: null,
      changedBy: 'ana',
      changedByApiKey: null,
      action: 'updated',
      tableName: 'teams',
      objectId: '42',
      beforeValue: null,
      updatedValues: null,
      tenant: '',
      context: null,
    },
  });
});

const wrong = [
  ['[]', ''],
  ['"text"', ''],
  ['null', ''],
  [`{${least.replace('ana', 'a'.repeat(513))}}`, 'changed_by'],
  [`{${least.replace('"ana"', '7')}}`, 'changed_by'],
  [`{${least.replace('updated', 'update')}}`, 'action'],
  [`{${least.replace('teams', '')}}`, 'table_name'],
  [`{${least},"id":"42"}`, 'id'],
  [`{${least},"id":42}`, 'id'],
  [`{${least},"updated_at":"yesterday"}`, 'updated_at'],
  [`{${least},"updated_at":1783079210}`, 'updated_at'],
  [`{${least},"context":[]}`, 'context'],
  [`{${least},"context":"ip"}`, 'context'],
  [`{${least},"recorded_at":"2026-07-03T11:46:50Z"}`, 'recorded_at'],
  [`{${least},"__proto__":{}}`, '__proto__'],
  [`{${least},"action":"created"}`, 'action'],
  [`{${least},"before_value":${'['.repeat(129)}${']'.repeat(129)}}`, 'before_value'],
  [`{${least},"updated_values":{"a":[0,{"b":"x\\u0000y"}]}}`, 'updated_values.a[1].b'],
  [`{${least},"updated_values":["\\ud83d"]}`, 'updated_values[0]'],
  [`{${least},"context":{"\\udc00":1}}`, 'context.\ufffd'],
  [`{${least.replace('42', '4\\u00002')}}`, 'object_id'],
] as const;

test.each(wrong.map(([text, path]) => [path || 'the whole', path, text]))(
  'an event that is wrong at %s is rejected with that path',
  (_place, path, text) => {
    expect(read(text)).toMatchObject({ ok: false, problems: [{ path }] });
  },
);

test('an escaped backslash before u0000 is ordinary text', () => {
  expect(read(`{${least},"updated_values":"\\\\u0000"}`)).toMatchObject({ ok: true });
});

test('one bad event rejects the whole list and is named by its index', () => {
  const good = `{${least}}`;
  const bad = `{${least.replace('updated', 'zapped')}}`;
  const events = readAll([good, '', good, bad].join('\n'), 'lines');
  expect(events).toMatchObject({ ok: false, problems: [{ path: '[2].action' }] });
});

test('a list that contains an id twice is rejected', () => {
  const event = `{${least},"id":"621d20b6-2e02-432f-8b98-345d2d1c3ce8"}`;
  const events = readAll(`[${event}, ${event.replace('621d', '621D')}]`, 'array');
  expect(events).toMatchObject({ ok: false, problems: [{ path: '[1].id' }] });
});

test.each(['[]', '{}', '"x"'])('the list %s is rejected', (text) => {
  expect(readAll(text, 'array')).toMatchObject({ ok: false, problems: [{ path: '' }] });
});

test('the error names every wrong field', () => {
  const input = { changed_by: 'ana', action: '', table_name: '', object_id: '42' };
  expect(() => createAuditEvent(input)).toThrow(/action: .*; table_name: must not be empty/);
});

test('a service can pass digits that a JavaScript number cannot hold', () => {
  const rawJSON = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;
  const input = { changed_by: 'ana', action: 'updated', table_name: 'teams', object_id: '42' };
  expect(createAuditEvent({ ...input, updated_values: { n: rawJSON('12345678901234567890') } }).updatedValues).toBe(
    '{"n":12345678901234567890}',
  );
});

test('white space as long as a body is passed over in steps, wherever it stands', () => {
  const blanks = ' '.repeat(4 * 1024 * 1024);
  const event = `{${least}}`;
  for (const text of [
    blanks,
    `${blanks}0`,
    `${blanks}[]`,
    `[${blanks}]`,
    `[${event}${blanks}]`,
    `[${event},${blanks}${event}]`,
    `[${event}]${blanks}`,
  ])
    expect(readAll(text, 'array').steps).toBeGreaterThanOrEqual(3);
});
