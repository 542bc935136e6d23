/** A text with one full stop at its end. A message from elsewhere may have one already. */
export function endSentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
