/** Sign, hue and word of an action. The word is always shown, so nothing depends on the colour. */
const known: Readonly<Record<string, { readonly sign: string; readonly hue: string }>> = {
  created: { sign: '+', hue: 'green' },
  updated: { sign: '~', hue: 'blue' },
  deleted: { sign: '−', hue: 'red' },
  blocked: { sign: '⊘', hue: 'amber' },
  unblocked: { sign: '○', hue: 'teal' },
  rotated: { sign: '↻', hue: 'violet' },
  denied: { sign: '!', hue: 'amber' },
};

export function signOf(action: string): string {
  return known[action]?.sign ?? '·';
}

export function hueOf(action: string): string {
  return known[action]?.hue ?? 'grey';
}
