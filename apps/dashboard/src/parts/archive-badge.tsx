import { type ArchiveState, archiveStates } from '../events/archive-state.ts';
import { Icon } from './icon.tsx';

const icons = { quiet: 'check', waiting: 'wait', bad: 'warn' } as const;

/** The state of an archived copy. Normal is quiet. */
export function ArchiveBadge({ state }: { state: ArchiveState | undefined }) {
  if (state === undefined) return <span className="archive-badge unknown">…</span>;
  const { word, tone, sentence } = archiveStates[state];
  return (
    <span className={`archive-badge ${tone}`} title={sentence}>
      <Icon name={icons[tone]} />
      <span>{word}</span>
    </span>
  );
}
