import { useEffect, useState } from 'react';
import type { ListState } from './event-list.ts';

/** Says whether the list is live, and how many new events wait while somebody reads. */
export function LivePill({
  state,
  isLive,
  isHeld,
  canFollow,
  onToggle,
  onShow,
}: {
  state: ListState;
  isLive: boolean;
  isHeld: boolean;
  canFollow: boolean;
  onToggle: () => void;
  onShow: () => void;
}) {
  const waiting = state.waiting.length;
  const announced = useSlowly(waiting, 10_000);
  if (!canFollow) return null;
  return (
    <span className="live">
      {waiting > 0 && (
        <button type="button" className="button accent" onClick={onShow}>
          {waiting} new ↑
        </button>
      )}
      <button
        type="button"
        className={`button live-pill ${isLive ? (state.liveError ? 'broken' : isHeld ? 'held' : 'on') : 'off'}`}
        aria-pressed={isLive}
        title={state.liveError ? state.liveError.message : 'New events appear by themselves (l)'}
        onClick={onToggle}
      >
        <span className="live-dot" aria-hidden="true" />
        {isLive ? (state.liveError ? 'Reconnecting' : isHeld ? 'Held' : 'Live') : 'Paused'}
      </button>
      <span className="unseen" role="status">
        {announced > 0 ? `${announced} new events` : ''}
      </span>
    </span>
  );
}

/** Changes at most every `everyMs`, so that a screen reader is not drowned. */
function useSlowly(value: number, everyMs: number): number {
  const [slow, setSlow] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(value), value === 0 ? 0 : everyMs);
    return () => clearTimeout(timer);
  }, [value, everyMs]);
  return slow;
}
