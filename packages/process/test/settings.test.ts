import { expect, test } from 'vitest';
import { commonSettings } from '../src/common-settings.ts';
import { flag, listOf, readSettings, urlOf, wholeNumber } from '../src/settings.ts';

const table = {
  ...commonSettings,
  SIZE: wholeNumber({ min: 1, max: 9 }, { meaning: '', fallback: 3 }),
  LOUD: flag({ meaning: '', fallback: false }),
};

test('every wrong setting is named at once, with its value and the accepted values', () => {
  const read = () => readSettings(table, { LOG_LEVEL: 'laut', SIZE: '10', LOUD: 'yes' });
  expect(read).toThrow(
    [
      'Wrong settings:',
      'DATABASE_URL is not set; it must be a URL such as postgres://user:password@host:5432/database.',
      'LOG_LEVEL is "laut"; it must be trace or debug or info or warn or error or fatal.',
      'SIZE is "10"; it must be a whole number from 1 to 9.',
      'LOUD is "yes"; it must be true or false.',
    ].join('\n  '),
  );
});

test('a wrong secret is not shown', () => {
  expect(() => readSettings(table, { DATABASE_URL: 'mysql://u:hunter2@h/d' })).toThrow(/^(?!.*hunter2)/s);
});

test('a password in a URL is shown by no message, also where the setting is not secret', () => {
  const shown = { PLACE: urlOf(/^https?:$/, 'a URL', { meaning: '' }) };
  for (const url of ['htp://ana:hunter2@h/d', 'ftp:ana:hunter2@h', 'htp://ana:hun/ter2@h?x#y', 'htp://hunter2@h'])
    expect(() => readSettings(shown, { PLACE: url })).toThrow(/^(?!.*(hunter2|ter2)).*PLACE is ".*@h/s);
});

test('quotes around a value are refused, because they would be a part of it', () => {
  const list = { NAMES: listOf('words', { meaning: '', fallback: [] }) };
  for (const text of ['"pin,iban"', "'pin'", '""'])
    expect(() => readSettings(list, { NAMES: text })).toThrow('NAMES begins and ends with a quote. Remove both');
  expect(readSettings(list, { NAMES: 'pin"s, iban' })).toEqual({ NAMES: ['pin"s', 'iban'] });
});

test('an empty text counts as not set', () => {
  expect(readSettings(table, { DATABASE_URL: 'postgres://h/d', SIZE: '' })).toMatchObject({
    SIZE: 3,
    LOG_LEVEL: 'info',
  });
});
