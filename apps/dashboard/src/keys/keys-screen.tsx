import { useEffect, useState } from 'react';
import { callJson } from '../http/call.ts';
import { useAnswer } from '../http/use-answer.ts';
import { exactly } from '../log/filters.ts';
import { GivenText } from '../parts/given-text.tsx';
import { Icon } from '../parts/icon.tsx';
import { ErrorNotice, Notice } from '../parts/notice.tsx';
import { Ago, FullTime } from '../parts/time.tsx';
import { follow, withSearch } from '../place/place.ts';
import { type ApiKey, listKeys, stateOf } from './api-key.ts';
import { type IssuedKey, IssuedKeyDialog } from './issued-key-dialog.tsx';
import { NewKeyDialog } from './new-key-dialog.tsx';
import { RevokeDialog } from './revoke-dialog.tsx';

type Open =
  | { readonly kind: 'new' }
  | { readonly kind: 'issued'; readonly issued: IssuedKey }
  | { readonly kind: 'revoke'; readonly key: ApiKey }
  | null;

/** `/keys`: who may call the api. */
export default function KeysScreen() {
  const { value, error, reload } = useAnswer('keys', (signal) => listKeys(signal), 30_000);
  const [open, setOpen] = useState<Open>(null);
  const [showsEnded, setShowsEnded] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => {
    document.title = 'Keys · Auditbox';
  }, []);
  const keys = [...(value ?? [])].reverse();
  const ended = keys.filter((key) => stateOf(key) !== 'valid').length;
  const shown = showsEnded ? keys : keys.filter((key) => stateOf(key) === 'valid');
  const rotate = async (key: ApiKey) => {
    setFailure(null);
    try {
      const issued = await callJson<IssuedKey>(`/keys/${key.id}/rotate`, { method: 'POST', body: {} });
      setOpen({ kind: 'issued', issued });
      reload();
    } catch (problem) {
      setFailure((problem as Error).message);
    }
  };
  const close = () => {
    setOpen(null);
    reload();
  };
  return (
    <div className="screen">
      <header className="screen-head">
        <h1>Keys</h1>
        <button type="button" className="button primary" onClick={() => setOpen({ kind: 'new' })}>
          <Icon name="plus" /> New key
        </button>
      </header>
      {failure && (
        <p className="form-error" role="alert">
          {failure}
        </p>
      )}
      {error && !value && <ErrorNotice error={error} retry={reload} />}
      {!value && !error && <div className="skeleton" aria-busy="true" />}
      {value && shown.length === 0 && (
        <Notice icon="keys" title="There is no valid key">
          <p>
            Each program and each person needs a key. With the scope <code>write</code> it records events, with{' '}
            <code>read</code> it reads them.
          </p>
        </Notice>
      )}
      {shown.length > 0 && (
        <div className="key-table-scroll">
          <table className="key-table">
            <caption className="unseen">Keys, newest first</caption>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">May</th>
                <th scope="col">Bound to</th>
                <th scope="col">Last used</th>
                <th scope="col">Ends</th>
                <th scope="col">
                  <span className="unseen">Change it</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((key) => (
                <KeyRow
                  key={`${key.id} ${key.created_at}`}
                  apiKey={key}
                  onRotate={() => rotate(key)}
                  onRevoke={() => setOpen({ kind: 'revoke', key })}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {ended > 0 && (
        <button
          type="button"
          className="link-button"
          aria-expanded={showsEnded}
          onClick={() => setShowsEnded(!showsEnded)}
        >
          {showsEnded ? 'Hide ended keys' : `Show ${ended} ended ${ended === 1 ? 'key' : 'keys'}`}
        </button>
      )}
      {open?.kind === 'new' && (
        <NewKeyDialog onIssued={(issued) => setOpen({ kind: 'issued', issued })} onClose={close} />
      )}
      {open?.kind === 'issued' && <IssuedKeyDialog issued={open.issued} onClose={close} />}
      {open?.kind === 'revoke' && <RevokeDialog apiKey={open.key} onClose={close} />}
    </div>
  );
}

const soonMs = 14 * 86_400_000;

function KeyRow({ apiKey: key, onRotate, onRevoke }: { apiKey: ApiKey; onRotate: () => void; onRevoke: () => void }) {
  const state = stateOf(key);
  const bounds = [
    ...(key.tenant === null ? [] : [`tenant ${key.tenant}`]),
    ...Object.entries(key.bounds).map(showBound),
  ];
  const endsSoon = key.expires_at !== null && Date.parse(key.expires_at) - Date.now() < soonMs;
  const events = new URLSearchParams({ recorded_by: exactly(`key:${key.id}:${key.name}`), range: '30d' });
  return (
    <tr className={state}>
      <th scope="row">
        <GivenText text={key.name} />
        <span className="mono">{key.prefix}…</span>
      </th>
      <td data-name="May">
        {key.scopes.map((scope) => (
          <span key={scope} className="scope">
            {scope}
          </span>
        ))}
      </td>
      <td data-name="Bound to">
        {bounds.length === 0 ? <span className="quiet-text">nothing</span> : <GivenText text={bounds.join(', ')} />}
      </td>
      <td data-name="Last used">
        {key.last_used_at ? <Ago at={key.last_used_at} /> : <span className="quiet-text">never</span>}
        {key.last_used_address && <span className="mono">{key.last_used_address}</span>}
      </td>
      <td data-name="Ends" className={endsSoon ? 'soon' : ''}>
        {state === 'revoked' && 'revoked'}
        {state === 'replaced' && 'replaced by a newer secret'}
        {(state === 'valid' || state === 'expired') &&
          (key.expires_at ? <FullTime at={key.expires_at} /> : <span className="quiet-text">never</span>)}
      </td>
      <td className="key-actions">
        <a className="link-button" {...follow(withSearch('/', events))}>
          Events
        </a>
        {state === 'valid' && (
          <>
            <button type="button" className="link-button" onClick={onRotate}>
              Rotate
            </button>
            <button type="button" className="link-button danger" onClick={onRevoke}>
              Revoke
            </button>
          </>
        )}
      </td>
    </tr>
  );
}

function showBound([name, value]: [string, unknown]): string {
  if (value === true) return name;
  return `${name} ${Array.isArray(value) ? value.join(' or ') : String(value)}`;
}
