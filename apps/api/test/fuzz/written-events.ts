import { randomUUID } from 'node:crypto';
import fc from 'fast-check';

/** The text of a request's event, and whether nothing in it is wrong. */
export interface WrittenText {
  readonly text: string;
  readonly isValid: boolean;
}

/** A value that a stored event must not hold: it stands under a secret name. */
export const plantedSecret = 'hunter2-of-the-fuzz';

const space = fc.constantFrom('', '', '', ' ', '\n\t');
const numbers = ['0', '-0', '1.10', '12345678901234567890.10', '1e400', '-1E-7', '0.1e+3', '9007199254740993'];
const texts = [
  ...[
    '""',
    '"a"',
    '"\\u00fc\\/\\b"',
    '"\\ud83d\\ude00"',
    '"💥"',
    '"\\""',
    '"\\\\u0000"',
    '"[redacted:x]"',
    '"\\u007f"',
  ],
  ...[
    '"{\\"team_id\\": \\"t1\\", \\"n\\": 1.10}"',
    '"[1, 2"',
    '"sk-...9f2c"',
    '"://"',
    '"a=b"',
    '"it\'s"',
    '"\\u2028"',
  ],
];
const text = fc.oneof(
  fc.constantFrom(...texts),
  fc
    .string({ unit: 'binary', maxLength: 12 })
    .filter((one) => one.isWellFormed() && !one.includes('\0'))
    .map((one) => JSON.stringify(one)),
);
const name = fc.oneof(text, fc.constantFrom('"team_id"', '"max_tokens"', '"__proto__"', '"a.b"', '""'));
const secret = fc.constantFrom(
  `{"password":"${plantedSecret}"}`,
  `{"a":[{"API-Key" : "${plantedSecret}"}]}`,
  JSON.stringify(`{"client_secret": "${plantedSecret}"}`),
);

/** JSON texts with digits, escapes, blanks and repeated names that a parser would lose. */
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('null', 'true', 'false', ...numbers),
    text,
    fc.tuple(space, fc.array(tie('value'), { maxLength: 4 })).map(([gap, all]) => `[${gap}${all.join(`${gap},`)}]`),
    fc
      .tuple(space, fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }))
      .map(([gap, all]) => `{${gap}${all.map(([key, one]) => `${key}${gap}:${one}`).join(`,${gap}`)}}`),
  ),
}));
const anyValue = fc.oneof({ arbitrary: value, weight: 20 }, { arbitrary: secret, weight: 1 });
const context = fc
  .array(fc.tuple(name, value), { maxLength: 3 })
  .map((all) => `{${all.map((one) => one.join(':')).join()}}`);

const plainName = fc.constantFrom(
  'ana',
  'ünï',
  'Smith, John',
  "o'hara",
  '%',
  '\\',
  '"',
  '💥',
  '-1',
  'NULL',
  'x'.repeat(512),
);
const objectId = fc.oneof(plainName, fc.constantFrom(' ', '\n', '\u202e', '../..', '\ufeff'));
const dayMs = 86_400_000;
const time = fc
  .tuple(
    fc.nat(300 * dayMs),
    fc.constantFrom('Z', 'z', '+00:00', '-11:30', '+14:00'),
    fc.constantFrom('', '.1', '.120', '.123456789'),
  )
  .map(([ago, zone, fraction]) => `${new Date(Date.now() - dayMs - ago).toISOString().slice(0, 19)}${fraction}${zone}`);
const quoted = (one: fc.Arbitrary<string>) => one.map((plain) => JSON.stringify(plain));

type Members = readonly (readonly [string, string])[];

const validMembers: fc.Arbitrary<Members> = fc
  .record(
    {
      id: fc.constant(null).map(() => JSON.stringify(randomUUID())),
      updated_at: quoted(time),
      changed_by: quoted(plainName),
      changed_by_api_key: fc.oneof(quoted(plainName), fc.constantFrom('null', '""')),
      action: fc.constantFrom('"created"', '"updated"', '"deleted"'),
      table_name: quoted(plainName),
      object_id: quoted(objectId),
      before_value: anyValue,
      updated_values: anyValue,
      context: fc.oneof(context, fc.constant('null')),
    },
    { requiredKeys: ['changed_by', 'action', 'table_name', 'object_id'] },
  )
  .map((all) => Object.entries(all) as [string, string][]);

const wrongValues = [
  ...[
    '""',
    'null',
    '7',
    '[]',
    '{}',
    '"\\u0000"',
    '"\\ud800"',
    '"a\\u202eb"',
    '"\\n"',
    '"zapped"',
    '"9999-12-31T23:59:59Z"',
    '"2026-02-30T00:00:00Z"',
  ],
  ...[
    '"0000"',
    '"1969-12-31T23:59:59Z"',
    `"${'x'.repeat(513)}"`,
    '[[[',
    '01',
    '1.',
    '"\t"',
    "'a'",
    `${'['.repeat(129)}${']'.repeat(129)}`,
  ],
];
/** One mistake, or something that looks like one. */
const mistake: fc.Arbitrary<(members: Members) => Members> = fc.oneof(
  fc.tuple(fc.nat(9), fc.constantFrom(...wrongValues)).map(
    ([at, wrong]) =>
      (members: Members) =>
        members.map((member, index) => (index === at % members.length ? ([member[0], wrong] as const) : member)),
  ),
  fc.nat(9).map((at) => (members: Members) => members.filter((_member, index) => index !== at % members.length)),
  fc.nat(9).map((at) => (members: Members) => [...members, members[at % members.length] as readonly [string, string]]),
  fc
    .constantFrom('recorded_by', 'redacted', 'tenant', 'Id', '')
    .map((extra) => (members: Members) => [...members, [extra, '"other"'] as const]),
);
const damage: fc.Arbitrary<(text: string) => string> = fc.oneof(
  fc.nat().map((at) => (whole: string) => whole.slice(0, at % whole.length)),
  fc.tuple(fc.nat(), fc.constantFrom(',', '"', '}', ']', '\\', '\0', '\ufeff')).map(
    ([at, part]) =>
      (whole: string) =>
        whole.slice(0, at % whole.length) + part + whole.slice(at % whole.length),
  ),
);

const print = (members: Members, gap: string) =>
  `{${gap}${members.map(([key, one]) => `"${key}":${gap}${one}`).join(`${gap},`)}${gap}}`;

/** A valid event, or one that is nearly valid. */
export const writtenEvent: fc.Arbitrary<WrittenText> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(validMembers, space).map(([members, gap]) => ({ text: print(members, gap), isValid: true })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(validMembers, mistake, space)
      .map(([members, change, gap]) => ({ text: print(change(members), gap), isValid: false })),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(validMembers, damage).map(([members, change]) => {
      const whole = print(members, '');
      // A damaged name is another name, which may not be secret. Half of a character cannot be sent.
      return { text: whole.includes(plantedSecret) ? whole : change(whole).toWellFormed(), isValid: false };
    }),
  },
);
