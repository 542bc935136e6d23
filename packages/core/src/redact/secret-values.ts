import { type AssignedRules, createAssignedRules } from './assigned-secrets.ts';
import { type FoundSecret, findEnd, maxSecrets, testAt } from './found-secret.ts';

/**
 * Texts that are secrets by their form. Every pattern takes linear time: it can begin only where a run of its characters
 * begins, so no run is read again from its middle, and what it repeats has one way to match.
 */

export interface ValueRule {
  readonly kind: string;
  /** Every match begins with one of these. The pass over the bytes of an event looks for them. */
  readonly beginnings: readonly string[];
  /** What stands before the secret and stays. */
  readonly before?: string;
  readonly secret: string;
  /** The secret goes on to the end of this, or of the text. */
  readonly until?: RegExp;
}

/** The character before a token is not of a token. */
const start = '(?<![A-Za-z0-9_-])';

/** The forms of secrets. */
export const valueRules: readonly ValueRule[] = [
  // Not lower-case words with hyphens: names of things begin with sk- too.
  { kind: 'api-key', beginnings: ['sk-'], secret: `${start}sk-(?=[a-z-]*[A-Z0-9_])[A-Za-z0-9_-]{16,}` },
  {
    kind: 'api-key',
    beginnings: ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_'],
    secret: `${start}[rs]k_(?:live|test)_[A-Za-z0-9]{16,}`,
  },
  { kind: 'api-key', beginnings: ['AIza'], secret: `${start}AIza[A-Za-z0-9_-]{35}` },
  { kind: 'api-key', beginnings: ['abx_'], secret: `${start}abx_[a-z0-9]{1,12}_[0-9A-Za-z]{38}` },
  {
    kind: 'aws-key',
    beginnings: ['AKIA', 'ASIA', 'ABIA', 'ACCA'],
    secret: `${start}A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])`,
  },
  { kind: 'token', beginnings: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], secret: `${start}gh[pousr]_[A-Za-z0-9]{36,}` },
  { kind: 'token', beginnings: ['github_pat_'], secret: `${start}github_pat_[A-Za-z0-9_]{50,}` },
  { kind: 'token', beginnings: ['glpat-'], secret: `${start}glpat-[A-Za-z0-9_-]{20,}` },
  {
    kind: 'token',
    beginnings: ['xoxa-', 'xoxb-', 'xoxe-', 'xoxp-', 'xoxr-', 'xoxs-'],
    secret: `${start}xox[abeprs]-[A-Za-z0-9-]{10,}`,
  },
  { kind: 'token', beginnings: ['npm_'], secret: `${start}npm_[A-Za-z0-9]{36,}` },
  { kind: 'token', beginnings: ['hf_'], secret: `${start}hf_[A-Za-z0-9]{30,}` },
  { kind: 'token', beginnings: ['hvs.', 'hvb.'], secret: `${start}hv[sb]\\.[A-Za-z0-9_-]{20,}` },
  { kind: 'jwt', beginnings: ['eyJ'], secret: `${start}eyJ[A-Za-z0-9_-]{8,}(?:\\.[A-Za-z0-9_-]*){2,4}` },
  {
    kind: 'private-key',
    beginnings: ['-----BEGIN '],
    secret: '-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----',
    until: /-----END [^-]{0,60}-----/g,
  },
  {
    kind: 'authorization',
    beginnings: ['Bearer ', 'bearer ', 'BEARER ', 'Basic ', 'basic ', 'BASIC '],
    before: '(?<![A-Za-z])(?:[Bb]earer|BEARER|[Bb]asic|BASIC) {1,8}',
    secret: '(?=[a-z._~+/-]*[A-Z0-9=])[A-Za-z0-9._~+/=-]{16,}',
  },
  {
    kind: 'password',
    beginnings: ['://'],
    before: '://[^\\s/:@"\'<>]*:',
    secret: '(?!\\[redacted:|\\*{3})[^\\s/@"\'<>]+(?=@)',
  },
];

/** The kinds of secrets that a form shows. */
export const valueKinds: readonly string[] = [...new Set([...valueRules.map(({ kind }) => kind), 'assignment'])];

export interface ValueRules {
  /** Whether a text may hold a secret. The text may be JSON, if it has no escapes of ASCII characters. */
  mayHold(text: string): boolean;
  /** The secrets in a text, in order. */
  find(text: string): readonly FoundSecret[];
  /** Where secrets can begin. */
  readonly beginnings: readonly SecretBeginning[];
  /** How texts assign secrets to names; null: they are not looked for. */
  readonly assigned: AssignedRules | null;
}

/** A text with which secrets of one form begin. */
export interface SecretBeginning {
  readonly text: string;
  /** Whether the beginning, which stands here, begins a secret. */
  beginsSecretAt(text: string, at: number): boolean;
}

/** `names` are further names of secrets, `prefixes` beginnings of further tokens; `skipped` are kinds that are not looked for. */
export function createValueRules(
  names: readonly string[],
  prefixes: readonly string[],
  skipped: ReadonlySet<string>,
): ValueRules {
  const used: ValueRule[] = [
    ...valueRules.filter(({ kind }) => !skipped.has(kind)),
    ...prefixes.map((prefix) => ({
      kind: 'token',
      beginnings: [prefix],
      secret: `${start}${escapePattern(prefix)}[A-Za-z0-9_.-]{16,}`,
    })),
  ];
  const assigned = skipped.has('assignment') ? null : createAssignedRules(names);
  const sources = used.map(({ before = '', secret }) => `(${before})(${secret})`);
  const any = new RegExp(used.map(({ before = '', secret }) => before + secret).join('|') || '(?!)');
  const every = new RegExp(sources.join('|') || '(?!)', 'g');

  function findByForm(text: string): FoundSecret[] {
    const found: FoundSecret[] = [];
    if (!any.test(text)) return found;
    let behind = 0;
    for (const match of text.matchAll(every)) {
      if (match.index < behind) continue;
      const place = used.findIndex((_rule, index) => match[2 * index + 2] !== undefined);
      const { kind, until } = used[place] as ValueRule;
      behind = match.index + match[0].length;
      if (until !== undefined) behind = findEnd(text, until, behind);
      if (found.length >= maxSecrets) behind = text.length;
      found.push({ kind, start: match.index + (match[2 * place + 1] ?? '').length, end: behind });
      if (behind === text.length) break;
    }
    return found;
  }

  return {
    mayHold: (text) => any.test(text) || (assigned?.mayHold(text) ?? false),
    find(text) {
      const found = findByForm(text);
      const byForm = found.length;
      assigned?.find(text, found);
      return found.length === byForm ? found : withoutOverlaps(found);
    },
    beginnings: used.flatMap(({ beginnings, before = '', secret }) => {
      const here = new RegExp(before + secret, 'y');
      return beginnings.map((text) => ({
        text,
        beginsSecretAt: (whole: string, at: number) => testAt(here, whole, at),
      }));
    }),
    assigned,
  };
}

/** Of two that overlap, the one that begins first stays, to the end of both. */
function withoutOverlaps(found: FoundSecret[]): FoundSecret[] {
  const apart: FoundSecret[] = [];
  for (const next of found.sort((a, b) => a.start - b.start)) {
    const last = apart.at(-1);
    if (last === undefined || next.start >= last.end) apart.push(next);
    else if (next.end > last.end) apart[apart.length - 1] = { ...last, end: next.end };
  }
  return apart;
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

const allRules = createValueRules([], [], new Set());

/** Whether a text has the form of a secret. */
export function looksSecret(text: string): boolean {
  return allRules.mayHold(text);
}
