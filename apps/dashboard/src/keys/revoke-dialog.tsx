import { type FormEvent, useState } from 'react';
import { callJson } from '../http/call.ts';
import { Dialog } from '../parts/dialog.tsx';
import type { ApiKey } from './api-key.ts';

/** Revoking cannot be taken back, so the name must be typed. */
export function RevokeDialog({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const [typed, setTyped] = useState('');
  const [error, setError] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await callJson(`/keys/${apiKey.id}`, { method: 'DELETE' });
      onClose();
    } catch (failure) {
      setError((failure as Error).message);
    }
  };
  return (
    <Dialog title={`Revoke ${apiKey.name}`} onClose={onClose}>
      <form className="dialog-form" onSubmit={submit}>
        <p>For ever, with all its secrets. Every api rejects it within 5 seconds, and its running exports break.</p>
        <label className="field">
          <span>Type {apiKey.name} to confirm</span>
          <input value={typed} autoComplete="off" onChange={(event) => setTyped(event.target.value)} />
        </label>
        <p className="form-error" role="alert">
          {error}
        </p>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="button danger" disabled={typed !== apiKey.name}>
            Revoke
          </button>
        </div>
      </form>
    </Dialog>
  );
}
