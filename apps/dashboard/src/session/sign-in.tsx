import { type FormEvent, useEffect, useState } from 'react';
import { CallError, callJson } from '../http/call.ts';
import { Icon } from '../parts/icon.tsx';
import { Logo } from '../shell/logo.tsx';
import { type Caller, setSession } from './session.ts';

/** Asks for a key. The address stays, so the reader is back where they were. */
export function SignIn() {
  const [key, setKey] = useState('');
  const [error, setError] = useState<string | null>(null);
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
      setSession({ key: text, caller: await callJson<Caller>('/me', { key: text }) });
    } catch (failure) {
      setError(describe(failure));
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <form className="sign-in-card" onSubmit={submit}>
        <Logo />
        <h1>Who changed what, and is it safely archived?</h1>
        <label className="field">
          <span>API key</span>
          <input
            // biome-ignore lint/a11y/noAutofocus: the only field of the page
            autoFocus
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
        <button type="submit" className="button primary large" disabled={isBusy}>
          {isBusy ? 'Checking the key' : 'Sign in'}
        </button>
        <p className="sign-in-note">
          <Icon name="lock" />
          <span>
            The key stays in this tab and is forgotten when you close it. A key with the scope <code>read</code> sees
            the log; more scopes show more.
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
