import { type FormEvent, useEffect, useState } from 'react';
import { CallError } from '../http/call.ts';
import { Icon } from '../parts/icon.tsx';
import { go, usePlace, withSearch } from '../place/place.ts';
import { Logo } from '../shell/logo.tsx';
import { signInIssuer } from './issuer.ts';
import { beginSignIn } from './issuer-sign-in.ts';
import { loadCaller } from './load-caller.ts';
import { setSession, wasSessionRefused } from './session.ts';

const endedSentence =
  'Your sign-in has ended: its key or token has expired or was revoked. Sign in again, and this view comes back.';

/** Asks for a key, or leads to the issuer. The address stays, so the reader is back where they were. */
export function SignIn({ problem = null, returnTo }: { problem?: string | null; returnTo?: string }) {
  const place = usePlace();
  const [key, setKey] = useState('');
  const [error, setError] = useState(problem ?? (wasSessionRefused() ? endedSentence : null));
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    document.title = 'Sign in · Auditbox';
  }, []);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const text = key.trim();
    if (text === '') return setError('Enter a key.');
    setBusy(true);
    try {
      setSession({ key: text, caller: await loadCaller(text) });
      if (returnTo !== undefined) go(returnTo, 'replace');
    } catch (failure) {
      setError(describe(failure));
      setBusy(false);
    }
  };
  const leave = async () => {
    if (signInIssuer === null) return;
    setBusy(true);
    try {
      await beginSignIn(signInIssuer, returnTo ?? withSearch(place.path, place.search));
    } catch (failure) {
      setError((failure as Error).message);
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <form className="sign-in-card" onSubmit={submit}>
        <Logo />
        <h1>Who changed what, and is it safely archived?</h1>
        {signInIssuer !== null && (
          <>
            <button type="button" className="button primary large" disabled={isBusy} onClick={leave}>
              Continue with {new URL(signInIssuer.issuer).host}
            </button>
            <p className="sign-in-or">
              <span>or</span>
            </p>
          </>
        )}
        <label className="field">
          <span>API key</span>
          <input
            // biome-ignore lint/a11y/noAutofocus: the only field of the page
            autoFocus={signInIssuer === null}
            type="password"
            autoComplete="off"
            spellCheck={false}
            value={key}
            aria-invalid={error !== null}
            aria-describedby="sign-in-error"
            placeholder="abx_live_…"
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        <p id="sign-in-error" className="form-error" role="alert">
          {error}
        </p>
        <button type="submit" className={`button large ${signInIssuer === null ? 'primary' : ''}`} disabled={isBusy}>
          {isBusy ? 'Signing in' : 'Sign in'}
        </button>
        <p className="sign-in-note">
          <Icon name="lock" />
          <span>
            {signInIssuer === null ? 'The key' : 'A key, or the token of your sign-in,'} stays in this tab and is
            forgotten when you close it. The scope <code>read</code> sees the log; more scopes show more.
          </span>
        </p>
      </form>
    </main>
  );
}

function describe(failure: unknown): string {
  if (!(failure instanceof CallError)) return String(failure);
  if (failure.status === 401) return 'This key is not known, has expired or was revoked.';
  if (failure.status === 429) return `Too many tries. Try again in ${failure.retryAfterS ?? 60} s.`;
  return failure.message;
}
