import { useSyncExternalStore } from 'react';
import { onSessionChange } from '../session/session.ts';
import { createEventList, type EventList, type ListState } from './event-list.ts';

/** The lists of the last views, so that the back button shows the same rows at the same place. */
const lists = new Map<string, EventList>();
const mostLists = 6;

onSessionChange(forgetEventLists);

/** `view`: the address of the view. `query`: asked when the list is new, because a relative range moves with the clock. */
export function getEventList(view: string, query: () => string): EventList {
  const known = lists.get(view);
  if (known) return known;
  const made = createEventList(query());
  lists.set(view, made);
  for (const old of lists.keys()) {
    if (lists.size <= mostLists) break;
    lists.delete(old);
  }
  return made;
}

export function forgetEventLists(): void {
  lists.clear();
}

export function useListState(list: EventList): ListState {
  return useSyncExternalStore(list.subscribe, list.state);
}
