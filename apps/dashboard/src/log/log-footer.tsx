import { count, duration } from '../time/format.ts';
import type { useListState } from './use-event-list.ts';

/** How many events are shown, and how many of them are not archived yet. */
export function LogFooter({ state, total }: { state: ReturnType<typeof useListState>; total: number | null }) {
  const loaded = state.rows.length;
  const { size: open } = state.open;
  const oldest = [...state.open.values()].reduce((least, at) => (at < least ? at : least), '9');
  const words = [
    total === null ? `${count(loaded)} loaded` : `${count(loaded)} of ${count(Math.max(total, loaded))} events`,
    open === 0
      ? loaded > 0 && 'all shown are archived'
      : `${open} not archived yet, oldest ${duration((Date.now() - Date.parse(oldest)) / 1000)}`,
  ];
  return (
    <footer className="log-foot">
      <span>{words.filter(Boolean).join(' · ')}</span>
      <span className="keys-hint">
        <kbd>j</kbd> <kbd>k</kbd> rows <kbd>Enter</kbd> open <kbd>/</kbd> filter <kbd>?</kbd> all keys
      </span>
    </footer>
  );
}
