/** The issuer at which people sign in; the api writes it into the document. Null: with a key alone. */
export interface SignInIssuer {
  /** As its tokens name it. */
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly parameters: readonly (readonly [string, string])[];
}

export const signInIssuer: SignInIssuer | null = read();

function read(): SignInIssuer | null {
  const text = document.documentElement.dataset.signIn ?? '';
  return text === '' ? null : (JSON.parse(text) as SignInIssuer);
}
