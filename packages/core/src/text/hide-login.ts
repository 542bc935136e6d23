/** A URL without the name and the password in front of its host. A password may hold any character, so the last @ counts. */
export function hideLogin(text: string): string {
  return text.replace(/(:\/*)\S*@/, '$1…@');
}
