import { GivenText } from '../parts/given-text.tsx';
import { Icon } from '../parts/icon.tsx';
import { spellOdd } from '../text/odd-characters.ts';
import type { Chip } from './filters.ts';

/** The filters of this view. Each can be removed alone. */
export function Chips({
  chips,
  onRemove,
  onClear,
}: {
  chips: readonly Chip[];
  onRemove: (name: string) => void;
  onClear: () => void;
}) {
  if (chips.length === 0) return null;
  return (
    <ul className="chips" aria-label="Filters">
      {chips.map(({ name, label, value, isKnown }) => (
        <li key={`${name} ${value}`} className={`chip ${isKnown ? '' : 'unknown'}`}>
          <span className="chip-label">{isKnown ? <GivenText text={label} /> : 'not understood'}</span>
          <span className="chip-value">
            <GivenText text={isKnown ? value.replaceAll('\\,', ',') : `${name}=${value}`} />
          </span>
          <button
            type="button"
            aria-label={`Remove filter ${spellOdd(label)} is ${spellOdd(value)}`}
            onClick={() => onRemove(name)}
          >
            <Icon name="close" />
          </button>
        </li>
      ))}
      {chips.length > 1 && (
        <li>
          <button type="button" className="link-button" onClick={onClear}>
            Clear all
          </button>
        </li>
      )}
    </ul>
  );
}
