const most = 5;

/** A list in a sentence; what is more than five is counted. */
export function someOf(names: readonly string[], separator = ', '): string {
  const rest = names.length > most ? `${separator}and ${names.length - most} more` : '';
  return names.slice(0, most).join(separator) + rest;
}
