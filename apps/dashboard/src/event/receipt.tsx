import { useState } from 'react';
import { type Archived, archiveStates } from '../events/archive-state.ts';
import type { AuditEvent } from '../events/event.ts';
import { CallError, call } from '../http/call.ts';
import { useAnswer } from '../http/use-answer.ts';
import { CopyButton } from '../parts/copy-button.tsx';
import { GivenText } from '../parts/given-text.tsx';
import { Icon } from '../parts/icon.tsx';
import { FullTime } from '../parts/time.tsx';
import { nameCommand } from '../place/name-command.ts';
import { bytes, count, counted } from '../time/format.ts';
import { checkProof, type ProofStep } from './proof.ts';
import { type ProofParts, parseProof, readEntry, readHead } from './proof-texts.ts';

/** Where the archived copy is, and what proves it. */
export function Receipt({ event, archived }: { event: AuditEvent; archived: Archived }) {
  const { state, object_key: key, sha256, exported_at: at } = archived;
  const proof = useAnswer(state === 'done' ? `proof ${event.id}` : null, (signal) => loadProof(event.id, signal));
  const { word, tone, sentence } = archiveStates[state];
  const parts = proof.value;
  const batch = parts && readEntry(parts.entry);
  const head = parts && readHead(parts.checkpoint);
  return (
    <section className={`receipt ${tone}`} aria-labelledby="receipt-title">
      <header className="receipt-head">
        <span className="receipt-seal">
          <Icon name={tone === 'quiet' ? 'check' : tone === 'waiting' ? 'wait' : 'warn'} />
        </span>
        <div>
          <h2 id="receipt-title">{state === 'done' ? 'Archived' : `Not archived yet: ${word}`}</h2>
          <p>
            {sentence} {at && <FullTime at={at} />}
          </p>
        </div>
      </header>
      {key !== null && (
        <dl className="receipt-facts">
          <Fact name="Object" value={key} isWide />
          {sha256 !== null && <Fact name="SHA-256 of its lines" value={sha256} isWide />}
          {batch && parts && (
            <>
              <Fact name="Line" value={`${count(parts.line + 1)} of ${count(batch.rows)}`} />
              <Fact name="Size" value={bytes(batch.objectBytes)} />
              <Fact name="Log entry" value={count(parts.index)} />
              {head && <Fact name="Checkpoint" value={counted(head.size, 'entry', 'entries')} />}
              {head && <Fact name="Log" value={head.origin} isWide />}
            </>
          )}
        </dl>
      )}
      {key !== null && <Commands objectKey={key} line={parts ? parts.line + 1 : null} />}
      {state === 'done' && <ProofCheck event={event} proof={parts} error={proof.error} key={event.line} />}
    </section>
  );
}

function Fact({ name, value, isWide = false }: { name: string; value: string; isWide?: boolean }) {
  return (
    <div className={isWide ? 'wide' : ''}>
      <dt>{name}</dt>
      <dd>
        <span className="mono">
          <GivenText text={value} />
        </span>
        {isWide && <CopyButton text={value} label={`Copy ${name}`} />}
      </dd>
    </div>
  );
}

async function loadProof(id: string, signal: AbortSignal): Promise<ProofParts> {
  const text = await (await call(`/audit/${id}/proof`, { signal })).text();
  const parts = parseProof(text);
  if (parts === null)
    throw new CallError(-1, { title: 'Error', detail: 'The proof has another form than this page knows.' });
  return parts;
}

function Commands({ objectKey, line }: { objectKey: string; line: number | null }) {
  const only = line === null ? '' : ` | sed -n ${line}p`;
  const unpack = objectKey.endsWith('.zst') ? 'zstd -dc' : 'gzip -dc';
  const command = `aws s3 cp 's3://BUCKET/${objectKey}' - | ${unpack}${only}`;
  return (
    <details className="receipt-commands">
      <summary>Fetch it yourself</summary>
      <div className="command">
        <code>{command}</code>
        <CopyButton text={command} label="Copy the command" />
      </div>
    </details>
  );
}

const keyStore = 'auditbox-verifier-key';

function ProofCheck({ event, proof, error }: { event: AuditEvent; proof: ProofParts | null; error: CallError | null }) {
  const [verifierKey, setVerifierKey] = useState(() => localStorage.getItem(keyStore) ?? '');
  const [steps, setSteps] = useState<readonly ProofStep[] | null>(null);
  if (error)
    return (
      <p className="receipt-note">
        {error.status === 404
          ? 'The signed log does not have it yet. A checkpoint is signed at intervals.'
          : error.message}
      </p>
    );
  if (!proof) return <p className="receipt-note">Reading the proof…</p>;
  if (!globalThis.crypto?.subtle)
    return (
      <p className="receipt-note">
        Browsers check proofs only over https or on this machine. Use {nameCommand('npm run verify-archive')}.
      </p>
    );
  const check = async () => {
    const key = verifierKey.trim();
    if (key !== '') localStorage.setItem(keyStore, key);
    setSteps(await checkProof(event.line, proof, key === '' ? null : key));
  };
  return (
    <form
      className="proof"
      onSubmit={(submit) => {
        submit.preventDefault();
        void check();
      }}
    >
      <label className="field">
        <span>Verifier key of the log</span>
        <input
          value={verifierKey}
          placeholder="name+1a2b3c4d+AbCd…"
          spellCheck={false}
          onChange={(change) => {
            setVerifierKey(change.target.value);
            // A verdict is of one key.
            setSteps(null);
          }}
        />
      </label>
      <button type="submit" className="button primary">
        Check the proof
      </button>
      <ol className="proof-steps" aria-live="polite">
        {(steps ?? []).map(({ name, state, sentence }) => (
          <li key={name} className={state}>
            <Icon name={state === 'holds' ? 'check' : state === 'broken' ? 'warn' : 'help'} />
            <strong>{name}</strong> {sentence}
          </li>
        ))}
      </ol>
    </form>
  );
}
