import { callJson } from '../http/call.ts';

/** One secret of a key, as `GET /keys` answers. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly scopes: readonly string[];
  readonly tenant: string | null;
  readonly bounds: Readonly<Record<string, unknown>>;
  readonly created_at: string;
  readonly created_by: string;
  readonly expires_at: string | null;
  readonly replaced_at: string | null;
  readonly revoked_at: string | null;
  readonly last_used_at: string | null;
  readonly last_used_address: string | null;
}

export function stateOf(key: ApiKey): 'valid' | 'replaced' | 'revoked' | 'expired' {
  if (key.revoked_at !== null) return 'revoked';
  if (key.expires_at !== null && Date.parse(key.expires_at) <= Date.now()) return 'expired';
  return key.replaced_at === null ? 'valid' : 'replaced';
}

/** All keys, page after page. */
export async function listKeys(signal: AbortSignal): Promise<ApiKey[]> {
  const all: ApiKey[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: { keys: ApiKey[]; next_cursor: string | null } = await callJson(
      `/keys?cursor=${encodeURIComponent(cursor)}`,
      { signal },
    );
    all.push(...page.keys);
    cursor = page.next_cursor;
  }
  return all;
}
