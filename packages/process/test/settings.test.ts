import { expect, test } from 'vitest';
import { commonSettings } from '../src/common-settings.ts';
import { flag, readSettings, wholeNumber } from '../src/settings.ts';

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

test('an empty text counts as not set', () => {
  expect(readSettings(table, { DATABASE_URL: 'postgres://h/d', SIZE: '' })).toMatchObject({
    SIZE: 3,
    LOG_LEVEL: 'info',
  });
});
