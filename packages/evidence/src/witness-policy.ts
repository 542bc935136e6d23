import { parseVerifierKey, timestampedCosignature, type VerifierKey } from './signed-note.ts';

/*
 * Whose word counts about a log: C2SP tlog-policy. A line is `log KEY [URL]`, `witness NAME KEY [URL]`,
 * `group NAME any|all|NUMBER MEMBER…` or `quorum NAME|none`. `#` begins a comment.
 */

export interface Witness {
  /** In the policy. The key has a name too. */
  readonly name: string;
  readonly key: VerifierKey;
  /** Where checkpoints are handed in; null for a witness that somebody else asks. */
  readonly url: string | null;
}

export interface WitnessPolicy {
  /** Whether the policy is for the log of this name. One without a line `log` is for every log. */
  isFor(origin: string): boolean;
  readonly witnesses: readonly Witness[];
  /** Whether cosignatures of these witnesses are enough. */
  isMet(cosigned: readonly Witness[]): boolean;
}

type Rule = (cosigned: ReadonlySet<string>) => boolean;

const mostWitnesses = 100;

/** Throws an error whose message names the line. */
export function parseWitnessPolicy(text: string): WitnessPolicy {
  const witnesses: Witness[] = [];
  const logs: string[] = [];
  const rules = new Map<string, Rule>();
  let quorum: Rule | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    const fail = (problem: string) => new TypeError(`Line ${index + 1} of the policy: ${problem}`);
    const [word = '', ...rest] = line.replace(/#.*/, '').trim().split(/\s+/);
    const define = (name: string, rule: Rule) => {
      if (name === 'none' || rules.has(name)) throw fail(`the name ${name} is taken.`);
      rules.set(name, rule);
    };
    switch (word) {
      case '':
        break;
      case 'log': {
        const key = parseVerifierKey(rest[0] ?? '');
        if (key === null) throw fail('a verifier key is expected behind `log`.');
        logs.push(key.name);
        break;
      }
      case 'witness': {
        const witness = parseWitness(rest);
        if (typeof witness === 'string') throw fail(witness);
        const twin = witnesses.find(({ key }) => key.publicKey.equals(witness.key.publicKey));
        if (twin) throw fail(`${twin.name} has the same key: one signature would count twice.`);
        if (witnesses.length === mostWitnesses) throw fail(`there are more than ${mostWitnesses} witnesses.`);
        define(witness.name, (cosigned) => cosigned.has(witness.name));
        witnesses.push(witness);
        break;
      }
      case 'group': {
        const group = parseGroup(rest, rules);
        if (typeof group === 'string') throw fail(group);
        define(group.name, group.rule);
        break;
      }
      case 'quorum': {
        if (quorum !== null) throw fail('there is a quorum already.');
        quorum = rest[0] === 'none' ? () => true : (rules.get(rest[0] ?? '') ?? null);
        if (quorum === null || rest.length !== 1) throw fail('the name of a witness or group is expected, or none.');
        break;
      }
      default:
        throw fail(`\`${word}\` is not log, witness, group or quorum.`);
    }
  }
  if (quorum === null) throw new TypeError('The policy has no line `quorum`.');
  const rule: Rule = quorum;
  return {
    isFor: (origin) => logs.length === 0 || logs.includes(origin),
    witnesses,
    isMet: (cosigned) => rule(new Set(cosigned.map(({ name }) => name))),
  };
}

/** What is wrong, if it is a text. */
function parseWitness([name, keyText = '', url, ...more]: readonly string[]): Witness | string {
  const key = parseVerifierKey(keyText);
  if (name === undefined || more.length > 0) return '`witness NAME KEY [URL]` is expected.';
  if (key === null) return `${keyText} is not a verifier key.`;
  if (key.type !== timestampedCosignature) return `the key of ${name} is of a log, not of a witness (type 4).`;
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    return `the URL of ${name} is not http or https.`;
  return { name, key, url: url?.replace(/\/$/, '') ?? null };
}

function parseGroup(
  [name, share = '', ...members]: readonly string[],
  rules: ReadonlyMap<string, Rule>,
): { readonly name: string; readonly rule: Rule } | string {
  const known = members.map((member) => rules.get(member)).filter((rule) => rule !== undefined);
  const needed = share === 'any' ? 1 : share === 'all' ? members.length : Number(/^[1-9]\d*$/.exec(share)?.[0]);
  if (name === undefined || members.length === 0) return '`group NAME any|all|NUMBER MEMBER…` is expected.';
  if (known.length < members.length || new Set(members).size < members.length)
    return 'each member is a witness or group of an earlier line, and is named once.';
  if (!Number.isInteger(needed) || needed < 1 || needed > members.length)
    return `${share} is not any, all or a number from 1 to ${members.length}.`;
  return { name, rule: (cosigned) => known.filter((rule) => rule(cosigned)).length >= needed };
}
