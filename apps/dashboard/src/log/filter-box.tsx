import { type KeyboardEvent, useId, useRef, useState } from 'react';
import { callJson } from '../http/call.ts';
import { useAnswer } from '../http/use-answer.ts';
import { GivenText } from '../parts/given-text.tsx';
import { Icon } from '../parts/icon.tsx';
import { eventPath, go } from '../place/place.ts';
import { count } from '../time/format.ts';
import { keepDraft, readDraft } from './filter-draft.ts';
import { exactly } from './filters.ts';

interface Suggestion {
  readonly group: string;
  readonly text: string;
  readonly hint: string;
  readonly choose: () => void;
}

type Values = Readonly<Record<'action' | 'table_name' | 'changed_by', readonly { value: string; events: number }[]>>;

/** What was typed becomes a filter: a value that occurs, an id of any kind, a place in a value, or words. */
export function FilterBox({
  statsQuery,
  onFilter,
}: {
  /** The filters and the range, for the counts of the suggestions; null where they cannot be counted. */
  statsQuery: string | null;
  onFilter: (name: string, value: string) => void;
}) {
  const [text, setShownText] = useState(readDraft);
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const list = useId();
  const values = useAnswer(isOpen ? statsQuery : null, (signal) => loadValues(statsQuery ?? '', signal)).value;
  const setText = (next: string) => {
    setShownText(next);
    keepDraft(next);
  };
  const close = () => {
    setText('');
    setOpen(false);
    setActive(0);
  };
  const suggestions = suggest(text.trim(), values, (name, value) => {
    onFilter(name, value);
    close();
  });
  const at = Math.min(active, suggestions.length - 1);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setActive(Math.min(at + 1, suggestions.length - 1));
    else if (event.key === 'ArrowUp') setActive(Math.max(0, at - 1));
    else if (event.key === 'Enter') suggestions[at]?.choose();
    else if (event.key === 'Escape') {
      close();
      input.current?.blur();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className="filter-box">
      <Icon name="search" />
      <input
        ref={input}
        id="filter"
        type="text"
        role="combobox"
        autoComplete="off"
        spellCheck={false}
        aria-label="Search or filter"
        aria-expanded={isOpen && suggestions.length > 0}
        aria-controls={list}
        aria-activedescendant={isOpen && suggestions.length > 0 ? `${list}-${at}` : undefined}
        placeholder="Search or filter"
        value={text}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onChange={(event) => {
          setText(event.target.value);
          setActive(0);
          setOpen(true);
        }}
        onKeyDown={onKeyDown}
      />
      <kbd>/</kbd>
      <div
        className="suggestions"
        id={list}
        role="listbox"
        aria-label="Suggestions"
        hidden={!isOpen || suggestions.length === 0}
      >
        {suggestions.map(({ group, text: shown, hint, choose }, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the combobox above
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the combobox
          <div
            key={`${group} ${shown}`}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === at}
            className="suggestion"
            onPointerDown={(event) => event.preventDefault()}
            onPointerEnter={() => setActive(index)}
            onClick={choose}
          >
            <span className="suggestion-group">{group}</span>
            <span className="suggestion-text">
              <GivenText text={shown} />
            </span>
            <span className="suggestion-hint">{hint}</span>
          </div>
        ))}
      </div>
    </div>
  );
}

async function loadValues(query: string, signal: AbortSignal): Promise<Values> {
  const groups = ['action', 'table_name', 'changed_by'] as const;
  const lists = await Promise.all(
    groups.map(async (group) => {
      const { counts } = await callJson<{ counts: { group: string | null; count: number }[] }>(
        `/audit/stats?${query}&group_by=${group}`,
        { signal },
      );
      const sums = new Map<string, number>();
      for (const { group: value, count: n } of counts) if (value !== null) sums.set(value, (sums.get(value) ?? 0) + n);
      const found = [...sums].map(([value, events]) => ({ value, events })).sort((a, b) => b.events - a.events);
      return [group, found] as const;
    }),
  );
  return Object.fromEntries(lists) as unknown as Values;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const place = /^((?:before_value|updated_values|context)\.\S+|[a-z_]\w*(?:\.\w+)*)\s*[=:]\s*(.+)$/i;
const groupNames = { action: 'Action', table_name: 'Table', changed_by: 'Actor' } as const;

function suggest(text: string, values: Values | null, filter: (name: string, value: string) => void): Suggestion[] {
  const suggestions: Suggestion[] = [];
  const add = (group: string, shown: string, hint: string, choose: () => void) =>
    suggestions.push({ group, text: shown, hint, choose });
  if (uuid.test(text)) add('Event', text, 'open it', () => go(eventPath(text.toLowerCase())));
  const [, name = '', value = ''] = place.exec(text) ?? [];
  if (name !== '') {
    const path = /^(before_value|updated_values|context)\./.test(name) ? name : `updated_values.${name}`;
    add('Value', `${path} is ${value}`, '', () => filter(path, value.trim()));
  }
  const wanted = text.toLowerCase();
  for (const group of ['action', 'table_name', 'changed_by'] as const) {
    const found = (values?.[group] ?? []).filter(({ value: one }) => one.toLowerCase().includes(wanted));
    for (const { value: one, events } of found.slice(0, text === '' ? 4 : 6))
      add(groupNames[group], one, count(events), () => filter(group, exactly(one)));
  }
  if (text === '') return suggestions;
  add('Any id', text, 'object, actor, key, team', () => filter('search', text));
  add('Contains', text, 'words in the values', () => filter('q', text));
  add('Actor begins with', text, '', () => filter('changed_by_prefix', text));
  // The api counts the largest groups alone. A rarer name is a filter all the same.
  for (const group of ['table_name', 'changed_by'] as const) {
    if (!suggestions.some(({ group: name, text: shown }) => name === groupNames[group] && shown === text))
      add(groupNames[group], text, 'exactly this', () => filter(group, exactly(text)));
  }
  return suggestions;
}
