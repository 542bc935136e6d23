import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { formatVerifierKey, verifierKeyOf } from '../src/signed-note.ts';
import { parseWitnessPolicy } from '../src/witness-policy.ts';

const key = (name: string) => formatVerifierKey(verifierKeyOf(name, generateKeyPairSync('ed25519').publicKey, 4));
const { publicKey: aPublicKey } = generateKeyPairSync('ed25519');
const oneKey = formatVerifierKey(verifierKeyOf('one.example', aPublicKey, 4));
const witnesses = ['a', 'b', 'c']
  .map((name) => `witness ${name} ${key(`${name}.example`)} https://${name}.example/w/`)
  .join('\n');

/** Whether the policy is met when these witnesses cosigned. */
function isMet(text: string, ...names: string[]): boolean {
  const policy = parseWitnessPolicy(text);
  return policy.isMet(policy.witnesses.filter(({ name }) => names.includes(name)));
}

test('a policy names its witnesses, with their keys and where they are asked', () => {
  const text = `log ${key('log.example')}\n# ours\n${witnesses} # the last one\nquorum a\n`;
  expect(parseWitnessPolicy(text).witnesses).toEqual(
    ['a', 'b', 'c'].map((name) => ({
      name,
      key: expect.objectContaining({ name: `${name}.example`, type: 4 }),
      url: `https://${name}.example/w`,
    })),
  );
});

test('a policy with a line for a log is for the logs that it names; one without is for every log', () => {
  const policy = (logs: string) => parseWitnessPolicy(`${logs}\n${witnesses}\nquorum a`);
  expect(policy(`log ${key('log.example')}`).isFor('log.example')).toBe(true);
  expect(policy(`log ${key('log.example')}`).isFor('other.example')).toBe(false);
  expect(policy('').isFor('other.example')).toBe(true);
});

test('a witness without a URL is verified, and is not asked', () => {
  expect(parseWitnessPolicy(`witness a ${key('a')}\nquorum a`).witnesses[0]?.url).toBeNull();
});

test.each([
  ['quorum none', [], true],
  ['quorum a', [], false],
  ['quorum a', ['b', 'c'], false],
  ['quorum a', ['a'], true],
  ['group g any a b\nquorum g', ['b'], true],
  ['group g any a b\nquorum g', ['c'], false],
  ['group g all a b\nquorum g', ['a'], false],
  ['group g all a b\nquorum g', ['a', 'b'], true],
  ['group g 2 a b c\nquorum g', ['a', 'c'], true],
  ['group g 2 a b c\nquorum g', ['c'], false],
  ['group g all b c\ngroup h any a g\nquorum h', ['b', 'c'], true],
  ['group g all b c\ngroup h any a g\nquorum h', ['b'], false],
])('%s: cosigned by %s is enough: %s', (rules, names, enough) => {
  expect(isMet(`${witnesses}\n${rules}`, ...names)).toBe(enough);
});

test.each([
  ['', 'The policy has no line `quorum`.'],
  ['quorum nobody', 'Line 1 of the policy: the name of a witness or group is expected, or none.'],
  ['quorum none\nquorum none', 'Line 2 of the policy: there is a quorum already.'],
  ['witness a key', 'Line 1 of the policy: key is not a verifier key.'],
  // A URL may have a password.
  [`witness a ${key('a')} ftp://me:word@a`, 'Line 1 of the policy: the URL of a is not http or https.'],
  [`${witnesses}\nwitness a ${key('d')}`, 'Line 4 of the policy: the name a is taken.'],
  [`witness none ${key('a')}`, 'Line 1 of the policy: the name none is taken.'],
  [`${witnesses}\ngroup g 4 a b c`, 'Line 4 of the policy: 4 is not any, all or a number from 1 to 3.'],
  [`${witnesses}\ngroup g 0 a b c`, 'Line 4 of the policy: 0 is not any, all or a number from 1 to 3.'],
  [
    `${witnesses}\ngroup g any a d`,
    'Line 4 of the policy: each member is a witness or group of an earlier line, and is named once.',
  ],
  [
    `${witnesses}\ngroup g 2 a a`,
    'Line 4 of the policy: each member is a witness or group of an earlier line, and is named once.',
  ],
  ...['0x1', '1e0', '1.0', '+1', '01'].map((share): [string, string] => [
    `${witnesses}\ngroup g ${share} a b`,
    `Line 4 of the policy: ${share} is not any, all or a number from 1 to 2.`,
  ]),
  [
    `witness a ${oneKey}\nwitness b ${oneKey}\ngroup g all a b\nquorum g`,
    'Line 2 of the policy: a has the same key: one signature would count twice.',
  ],
  [
    `witness a ${formatVerifierKey(verifierKeyOf('log.example', aPublicKey))}\nquorum a`,
    'Line 1 of the policy: the key of a is of a log, not of a witness (type 4).',
  ],
  ['hello', 'Line 1 of the policy: `hello` is not log, witness, group or quorum.'],
])('the policy %j is refused with the line that is wrong', (text, message) => {
  expect(() => parseWitnessPolicy(text)).toThrow(message);
});
