/**
 * Which names of members mean that the value is a secret. Names are compared in lower case and without separators, so
 * `api_key`, `apiKey` and `X-API-Key` are one name.
 */

/** A name is secret if it is one of these, or ends with one of these. */
export const endings: Readonly<Record<string, readonly string[]>> = {
  password: ['password', 'passwd', 'pwd', 'passphrase', 'passwordhash', 'passcode'],
  secret: ['secret', 'secrets', 'signingkey', 'encryptionkey', 'masterkey', 'hmackey'],
  'api-key': ['apikey', 'apikeys', 'accesskey', 'secretkey', 'subscriptionkey'],
  'private-key': ['privatekey', 'sshkey', 'serviceaccountjson', 'serviceaccountkey'],
  token: ['token', 'jwt'],
  authorization: ['authorization'],
  cookie: ['cookie', 'cookies'],
  credentials: ['credential', 'credentials'],
  'connection-string': ['connectionstring', 'connstr'],
};

/** Short names, which other words end with: `shipping`, `laptop`. */
export const wholeNames: Readonly<Record<string, readonly string[]>> = {
  password: ['pass', 'pin', 'otp', 'mfacode', 'recoverycodes', 'backupcodes'],
  'card-number': ['cvv', 'cvc', 'cardnumber'],
  'connection-string': ['dsn'],
};

/** The kinds of secrets that a name shows. */
export const nameKinds: readonly string[] = [...new Set([...Object.keys(endings), ...Object.keys(wholeNames)])];

/** Names of this length and more are compared by their end. */
export const maxNameLength = 64;
/** Callers choose names, so the memory of verdicts has an end. */
const maxVerdicts = 10_000;

/** Which names say that their value is a secret. */
export interface NameRules {
  /** The kind of secret that a member with this name holds; null if the name does not say so. */
  kindOf(name: string): string | null;
  /** Whether a name that ends with these four characters can be secret. It is much faster, and says no for most names. */
  mayEndWith(first: number, second: number, third: number, fourth: number): boolean;
}

/** `added` are further names, each of them its own kind; `skipped` are kinds that are not secret. */
export function createNameRules(added: readonly string[], skipped: ReadonlySet<string>): NameRules {
  const list = (names: Readonly<Record<string, readonly string[]>>) =>
    Object.entries(names)
      .filter(([kind]) => !skipped.has(kind))
      .flatMap(([kind, all]) => all.map((name) => ({ name, kind })));
  const whole = new Map([
    ...list(wholeNames).map(({ name, kind }) => [name, kind] as const),
    ...added.map((name) => [normalize(name), name] as const),
  ]);
  const byEnding = list(endings);
  const lastThree = new Set(byEnding.map(({ name }) => name.slice(-3)));
  const ends = markEnds([...whole.keys(), ...byEnding.map(({ name }) => name)]);
  const verdicts = new Map<string, string | null>();

  function judge(name: string): string | null {
    const plain = normalize(name.length > maxNameLength ? name.slice(-maxNameLength) : name);
    const kind = whole.get(plain);
    if (kind !== undefined) return kind;
    if (!lastThree.has(plain.slice(-3))) return null;
    return byEnding.find((ending) => plain.endsWith(ending.name))?.kind ?? null;
  }

  return {
    kindOf(name) {
      const known = verdicts.get(name);
      if (known !== undefined) return known;
      const kind = judge(name);
      if (verdicts.size >= maxVerdicts) verdicts.clear();
      if (name.length <= maxNameLength) verdicts.set(name, kind);
      return kind;
    },
    mayEndWith(first, second, third, fourth) {
      if ((first | second | third | fourth) > 0x7f) return true;
      const a = plainCodes[first] as number;
      const b = plainCodes[second] as number;
      const c = plainCodes[third] as number;
      const d = plainCodes[fourth] as number;
      // A character that is left out may stand between the last four of the name.
      return a * b * c * d === 0 || ends[hashEnd(a, b, c, d)] === 1;
    },
  };
}

/** Digits and letters in either case as 1 to 36; 0 for a character that is left out. */
const plainCodes = Uint8Array.from(
  { length: 128 },
  (_, code) => '0123456789abcdefghijklmnopqrstuvwxyz'.indexOf(String.fromCharCode(code).toLowerCase()) + 1,
);

const endsSize = 65_536;

function hashEnd(a: number, b: number, c: number, d: number): number {
  return (((a * 37 + b) * 37 + c) * 37 + d) % endsSize;
}

/** Marks the four characters with which names end. A short name has any character before it. */
function markEnds(names: readonly string[]): Uint8Array {
  const ends = new Uint8Array(endsSize);
  for (const name of names) {
    const [d = 0, c = 0, b = 0, a] = Array.from(name.slice(-4), (letter) => plainCodes[letter.charCodeAt(0)]).reverse();
    for (let any = 1; any <= 36; any += 1) ends[hashEnd(a ?? any, b, c, d)] = 1;
  }
  return ends;
}

/** Letters and digits, in lower case. */
function normalize(name: string): string {
  let plain = '';
  for (let at = 0; at < name.length; at += 1) {
    const code = name.charCodeAt(at);
    if (code > 0x7f) return normalizeSlowly(name);
    if ((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x7a)) plain += name[at];
    else if (code >= 0x41 && code <= 0x5a) plain += String.fromCharCode(code | 0x20);
  }
  return plain;
}

function normalizeSlowly(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}

/** A hash or a masked name of a key. */
export const hashOrMask = /^(?:[0-9a-fA-F]{64}|[\w-]{0,12}\.{3}[\w-]{0,8})$/;
/** What was masked before, and a reference to a variable. */
export const masked = /^(?:.{0,4}\*{3,}.{0,4}|\[redacted:[^\]]*\]|os\.environ\/\w+)$/;

/**
 * Whether a text under a secret name is no secret: empty, masked already, a reference to a variable; or the SHA-256 of a key
 * or its masked name, which LiteLLM writes as `token`, `api_key` and `key_name`.
 */
export function isHarmless(text: string, kind: string): boolean {
  if (text === '') return true;
  if (text.length > 128) return false;
  return ((kind === 'token' || kind === 'api-key') && hashOrMask.test(text)) || masked.test(text);
}
