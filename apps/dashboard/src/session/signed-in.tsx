import { useEffect, useState } from 'react';
import { CallError } from '../http/call.ts';
import { go } from '../place/place.ts';
import type { SignInIssuer } from './issuer.ts';
import { finishSignIn } from './issuer-sign-in.ts';
import { loadCaller } from './load-caller.ts';
import { setSession } from './session.ts';
import { SignIn } from './sign-in.tsx';

/** `/signed-in`: the issuer sent the browser back. The code leaves the address before it is used. */
export function SignedIn({ issuer }: { issuer: SignInIssuer }) {
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    finishOnce(issuer).catch((failure: unknown) => setProblem(describe(failure)));
  }, [issuer]);
  if (problem !== null) return <SignIn problem={problem} returnTo="/" />;
  return <div className="skeleton" aria-busy="true" />;
}

let finishing: Promise<void> | null = null;

/** A code is worth something once, however often the screen is drawn. */
function finishOnce(issuer: SignInIssuer): Promise<void> {
  finishing ??= finish(issuer, new URLSearchParams(location.search));
  return finishing;
}

async function finish(issuer: SignInIssuer, answer: URLSearchParams): Promise<void> {
  history.replaceState(null, '', location.pathname);
  const { token, returnTo } = await finishSignIn(issuer, answer);
  setSession({ key: token, caller: await loadCaller(token) });
  go(returnTo, 'replace');
}

function describe(failure: unknown): string {
  if (failure instanceof CallError && failure.status === 401)
    return `The api does not accept the token of the issuer: ${failure.message}`;
  return failure instanceof Error ? failure.message : String(failure);
}
