import { currentSession, onSessionChange, wasSessionRefused } from '../session/session.ts';

/*
 * What was typed into the filter box and is no filter yet. A key may end while somebody types. The text is there again after
 * signing in, for a key of the same tenant.
 */

let draft: { readonly text: string; readonly tenant: string | null } | null = null;

export function keepDraft(text: string): void {
  draft = text === '' ? null : { text, tenant: currentSession()?.caller.tenant ?? null };
}

export function readDraft(): string {
  return draft !== null && draft.tenant === (currentSession()?.caller.tenant ?? null) ? draft.text : '';
}

onSessionChange(() => {
  const session = currentSession();
  if (session === null ? !wasSessionRefused() : draft?.tenant !== session.caller.tenant) draft = null;
});
