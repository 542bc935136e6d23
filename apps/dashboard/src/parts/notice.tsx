import type { ReactNode } from 'react';
import type { CallError } from '../http/call.ts';
import { GivenText } from './given-text.tsx';
import { Icon, type IconName } from './icon.tsx';

/** A part of a screen that has nothing to show, and why. */
export function Notice({
  icon,
  title,
  children,
  tone = 'quiet',
}: {
  icon: IconName;
  title: string;
  children?: ReactNode;
  tone?: 'quiet' | 'bad';
}) {
  return (
    <div className={`notice ${tone}`} role={tone === 'bad' ? 'alert' : undefined}>
      <span className="notice-icon">
        <Icon name={icon} />
      </span>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** What the api said, in its words. */
export function ErrorNotice({ error, retry }: { error: CallError; retry?: () => void }) {
  if (error.status === 403)
    return (
      <Notice icon="lock" title="Your key may not see this">
        <p>
          <GivenText text={error.message} />
        </p>
        <p className="quiet-text">Ask for a key with that scope, then sign in with it.</p>
      </Notice>
    );
  return (
    <Notice icon="warn" title={error.status === 0 ? 'The api cannot be reached' : error.title} tone="bad">
      <p>{error.status === 0 ? 'It may be restarting. What is shown stays.' : <GivenText text={error.message} />}</p>
      {error.errors.length > 0 && (
        <ul className="problem-list">
          {error.errors.map(({ path, message }) => (
            <li key={`${path} ${message}`}>
              <code>
                <GivenText text={path} />
              </code>{' '}
              <GivenText text={message} />
            </li>
          ))}
        </ul>
      )}
      {error.retryAfterS !== null && <p className="quiet-text">The api asks to wait {error.retryAfterS} s.</p>}
      {error.requestId && (
        <p className="quiet-text">
          Request <code>{error.requestId}</code>
        </p>
      )}
      {retry && (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </Notice>
  );
}
