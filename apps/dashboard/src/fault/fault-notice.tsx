import { useState } from 'react';
import { CopyTextButton } from '../parts/copy-button.tsx';
import { Notice } from '../parts/notice.tsx';
import { root } from '../place/prefix.ts';
import { describeFault } from './describe-fault.ts';
import { ScreenNotLoadedError } from './load-screen.ts';

/** Says that a part of the page cannot be drawn, and what to do. */
export function FaultNotice({
  part,
  error,
  at,
  components,
  retry,
}: {
  part: string;
  error: unknown;
  at: Date;
  components: string;
  retry: () => void;
}) {
  if (error instanceof ScreenNotLoadedError) return <NotLoaded />;
  const details = describeFault(error, at, components);
  return (
    <Notice icon="warn" title={`${part} cannot be shown`} tone="bad">
      <p>
        The page has an error, or the api sent an answer that the page does not understand. No event was changed. Try
        again. If it fails again, copy the details and send them to the person who runs Auditbox.
      </p>
      <div className="fault-actions">
        <button type="button" className="button primary" onClick={retry}>
          Try again
        </button>
        <CopyTextButton text={details} label="Copy details" />
      </div>
      <details className="fault-details">
        <summary>Details</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
        <pre tabIndex={0}>{details}</pre>
      </details>
    </Notice>
  );
}

/** Files of an older version are gone after an update of the api. The page is loaded again only while the api answers. */
function NotLoaded() {
  const [isUnreachable, setUnreachable] = useState(false);
  const reload = () =>
    fetch(`${root}/`, { cache: 'no-store', credentials: 'omit' }).then(
      () => location.reload(),
      () => setUnreachable(true),
    );
  return (
    <Notice icon="warn" title="A part of the page could not be loaded" tone="bad">
      <p>The api was updated, or the connection broke. Load the page again. You stay signed in.</p>
      <button type="button" className="button primary" onClick={reload}>
        Load the page again
      </button>
      <p role="status">{isUnreachable && 'The api cannot be reached. Try again in a minute.'}</p>
    </Notice>
  );
}
