import { type ArchiveState, archiveStates } from '../events/archive-state.ts';
import { type AuditEvent, elementsOf, membersOf, readEvent } from '../events/event.ts';
import { CallError, call, callJson } from '../http/call.ts';
import { byTime, mergeRows } from './merge-rows.ts';

/** What a list shows. A new object at every change, so that React sees it. A list may have 100,000 rows. */
export interface ListState {
  /** Newest first. */
  readonly rows: readonly AuditEvent[];
  /** Newer events that the live feed brought while the list was being read. */
  readonly waiting: readonly AuditEvent[];
  readonly archive: ReadonlyMap<string, ArchiveState>;
  /** When the events were recorded that are not archived yet, by id. Like `archive` it is the same object at every change. */
  readonly open: ReadonlyMap<string, string>;
  readonly isLoading: boolean;
  readonly isComplete: boolean;
  readonly error: CallError | null;
  /** Why the live feed has no news now. It goes on by itself. */
  readonly liveError: CallError | null;
}

/** The events of one set of filters, newest first: the parts that were scrolled to, and what happened since. */
export interface EventList {
  subscribe(listener: () => void): () => void;
  state(): ListState;
  loadMore(): void;
  /** Asks for the states of these events that may still change. */
  refreshArchive(events: readonly AuditEvent[]): void;
  /** Starts to ask for new events. Returns what stops it. */
  follow(): () => void;
  /** True: new events wait until `showWaiting`, because somebody reads. */
  hold(isHeld: boolean): void;
  showWaiting(): void;
  /** Where the reader was, for the way back. */
  scrollTop: number;
}

const pageSize = 100;
const askEveryMs = 2_000;
const askSlowestMs = 10_000;

/** `query`: filters and times, as the api takes them. */
export function createEventList(query: string): EventList {
  const listeners = new Set<() => void>();
  const known = new Set<string>();
  let cursor: string | null = '';
  let isHeld = false;
  /** Events of the feed that are below the last loaded row. */
  let below: AuditEvent[] = [];
  const archive = new Map<string, ArchiveState>();
  const open = new Map<string, string>();
  let feed: { after: string; cursor: string | null } | null = null;
  let state: ListState = {
    rows: [],
    waiting: [],
    archive,
    open,
    isLoading: false,
    isComplete: false,
    error: null,
    liveError: null,
  };

  function set(changes: Partial<ListState>): void {
    state = { ...state, ...changes };
    for (const listener of listeners) listener();
  }

  async function loadPage(): Promise<void> {
    if (state.isLoading || cursor === null) return;
    set({ isLoading: true, error: null });
    try {
      const search = new URLSearchParams(query);
      search.set('cursor', cursor);
      search.set('page_size', String(pageSize));
      const response = await call(`/audit?${search}`);
      // The feed begins a little before this answer, by the clock of the server. What it repeats is known already.
      const servedAt = Date.parse(response.headers.get('date') ?? '') || Date.now();
      feed ??= { after: new Date(servedAt - 10_000).toISOString(), cursor: null };
      const part = readPart(await response.text());
      cursor = part.next;
      const fresh = takeReached(addNew(part.events), cursor === null ? undefined : part.events.at(-1));
      set({ rows: mergeRows(state.rows, fresh), isLoading: false, isComplete: cursor === null });
      void refresh(fresh);
    } catch (error) {
      set({ isLoading: false, error: toCallError(error) });
    }
  }

  function addNew(events: readonly AuditEvent[]): AuditEvent[] {
    const fresh = events.filter(({ id }) => !known.has(id));
    for (const { id } of fresh) known.add(id);
    return fresh;
  }

  /**
   * These events and the waiting ones that are not below the last loaded row. An event that was recorded late may belong to a
   * page that is not loaded yet. It waits for that page, so that the rows have no hole. Without `last` all pages are loaded.
   */
  function takeReached(events: readonly AuditEvent[], last: AuditEvent | undefined): AuditEvent[] {
    const all = [...below, ...events];
    const isBelow = (event: AuditEvent) => last !== undefined && byTime(event, last) > 0;
    below = all.filter(isBelow);
    return all.filter((event) => !isBelow(event));
  }

  async function refresh(events: readonly AuditEvent[]): Promise<void> {
    const recordedAt = new Map(
      events
        .filter(({ id }) => archive.get(id) !== 'done')
        .slice(0, 200)
        .map((event) => [event.id, event.recordedAt]),
    );
    if (recordedAt.size === 0) return;
    try {
      const answer = await callJson<{ archive: { id: string; state: ArchiveState }[] }>(
        `/audit/archive?ids=${[...recordedAt.keys()].join()}`,
      );
      const changed = answer.archive.filter(({ id, state: now }) => now in archiveStates && archive.get(id) !== now);
      if (changed.length === 0) return;
      for (const { id, state: now } of changed) {
        archive.set(id, now);
        if (now === 'done') open.delete(id);
        else open.set(id, recordedAt.get(id) ?? '');
      }
      set({});
    } catch {
      // The column stays as it is; the next round asks again.
    }
  }

  /** One round of the feed. True if it brought something. */
  async function askFeed(signal: AbortSignal): Promise<boolean> {
    if (feed === null) return false;
    const search = new URLSearchParams(query);
    search.delete('start_date');
    search.set('recorded_after', feed.after);
    search.set('page_size', String(pageSize));
    if (feed.cursor !== null) search.set('cursor', feed.cursor);
    const response = await call(`/audit?${search}`, { signal });
    const part = readPart(await response.text());
    feed.cursor = part.next;
    const fresh = takeReached(addNew(part.events), cursor === null ? undefined : state.rows.at(-1));
    if (fresh.length > 0 || state.liveError !== null) {
      if (isHeld) set({ waiting: mergeRows(state.waiting, fresh), liveError: null });
      else set({ rows: mergeRows(state.rows, fresh), liveError: null });
    }
    void refresh(fresh);
    return fresh.length > 0;
  }

  return {
    scrollTop: 0,
    state: () => state,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    loadMore: () => void loadPage(),
    refreshArchive: (events) => void refresh(events),
    follow() {
      const stopping = new AbortController();
      let waitMs = askEveryMs;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const round = async () => {
        try {
          const anyNews = document.hidden ? false : await askFeed(stopping.signal);
          waitMs = anyNews ? askEveryMs : Math.min(waitMs * 1.2, askSlowestMs);
        } catch (error) {
          if (stopping.signal.aborted) return;
          waitMs = askSlowestMs / 2;
          set({ liveError: toCallError(error) });
        }
        if (!stopping.signal.aborted) timer = setTimeout(round, document.hidden ? askSlowestMs : waitMs);
      };
      const wake = () => {
        if (document.hidden) return;
        clearTimeout(timer);
        void round();
      };
      void round();
      document.addEventListener('visibilitychange', wake);
      return () => {
        stopping.abort();
        clearTimeout(timer);
        document.removeEventListener('visibilitychange', wake);
      };
    },
    hold(held) {
      isHeld = held;
    },
    showWaiting() {
      if (state.waiting.length > 0) set({ rows: mergeRows(state.rows, state.waiting), waiting: [] });
    },
  };
}

function readPart(text: string): { events: AuditEvent[]; next: string | null } {
  const members = membersOf(text);
  return {
    events: elementsOf(members.get('audit_logs') ?? '[]').map(readEvent),
    next: JSON.parse(members.get('next_cursor') ?? 'null') as string | null,
  };
}

function toCallError(error: unknown): CallError {
  return error instanceof CallError ? error : new CallError(-1, { title: 'Error', detail: String(error) });
}
