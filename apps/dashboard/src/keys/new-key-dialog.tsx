import { type FormEvent, useState } from 'react';
import { callJson } from '../http/call.ts';
import { Dialog } from '../parts/dialog.tsx';
import { useSession } from '../session/session.ts';
import type { IssuedKey } from './issued-key-dialog.tsx';

const choices: readonly { readonly scope: string; readonly meaning: string; readonly needs: string }[] = [
  { scope: 'read', meaning: 'see events and the export', needs: 'audit:read' },
  { scope: 'write', meaning: 'record events', needs: 'audit:write' },
  { scope: 'export:replay', meaning: 'send failed batches again', needs: 'export:replay' },
  { scope: 'keys:admin', meaning: 'manage keys', needs: 'keys:admin' },
];

const lifetimes: readonly (readonly [string, number | null])[] = [
  ['30 days', 30],
  ['90 days', 90],
  ['1 year', 365],
  ['never', null],
];

/** Makes a key. A key gives only what it has. */
export function NewKeyDialog({ onIssued, onClose }: { onIssued: (issued: IssuedKey) => void; onClose: () => void }) {
  const own = useSession()?.caller;
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<readonly string[]>(['read']);
  const [days, setDays] = useState<number | null>(90);
  const [tenant, setTenant] = useState(own?.tenant ?? '');
  const [error, setError] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      const body = {
        name: name.trim(),
        scopes,
        tenant: tenant.trim() === '' ? null : tenant.trim(),
        expires_at: days === null ? null : new Date(Date.now() + days * 86_400_000).toISOString(),
      };
      onIssued(await callJson<IssuedKey>('/keys', { method: 'POST', body }));
    } catch (failure) {
      setError((failure as Error).message);
    }
  };
  return (
    <Dialog title="New key" onClose={onClose}>
      <form className="dialog-form" onSubmit={submit}>
        <label className="field">
          <span>What is it for?</span>
          <input
            autoFocus
            required
            maxLength={128}
            value={name}
            placeholder="billing service"
            onChange={(event) => setName(event.target.value)}
          />
        </label>
        <fieldset className="choices">
          <legend>It may</legend>
          {choices.map(({ scope, meaning, needs }) => (
            <label key={scope}>
              <input
                type="checkbox"
                checked={scopes.includes(scope)}
                disabled={!own?.scopes.includes(needs)}
                onChange={(event) =>
                  setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))
                }
              />
              <span>
                <strong>{scope}</strong> {meaning}
              </span>
            </label>
          ))}
        </fieldset>
        <label className="field">
          <span>Only this tenant (empty: all tenants)</span>
          <input
            value={tenant}
            maxLength={128}
            disabled={own?.tenant != null}
            onChange={(event) => setTenant(event.target.value)}
          />
        </label>
        <fieldset className="segments">
          <legend>It ends after</legend>
          {lifetimes.map(([label, value]) => (
            <button type="button" key={label} aria-pressed={days === value} onClick={() => setDays(value)}>
              {label}
            </button>
          ))}
        </fieldset>
        <p className="form-error" role="alert">
          {error}
        </p>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button primary" disabled={scopes.length === 0}>
            Make the key
          </button>
        </div>
      </form>
    </Dialog>
  );
}
