import { jsonPatch, type PatchOperation } from '../json/json-patch.ts';
import type { JsonText } from '../json/json-text.ts';

/**
 * What an event changed, as a JSON Patch from its `before_value` to its `updated_values`.
 *
 * Some writers record the whole new state as `updated_values`. Others record only the members that were set: LiteLLM's
 * key update records the members of the request, and blocking a key records an empty object. An event does not show
 * which of the two it is, so the caller must say. With `partial`, a member that `after` does not contain is unchanged,
 * not removed; if `after` is null, nothing changed. Only the outermost object can be partial. Below its members, and in
 * arrays, `after` is complete.
 *
 * Recommended: `partial` for every action except created, deleted and rotated. A table row never loses a column, and an
 * emptied column is null, so `partial` hides nothing there. The opposite would report removals that never happened. For
 * documents without fixed member names `partial` hides removed members; their readers should use `partial: false`.
 *
 * Null if the patch would be longer than about `maxLength` UTF-16 units.
 */
export function changesBetween(
  before: JsonText | null,
  after: JsonText | null,
  { partial, maxLength = Number.POSITIVE_INFINITY }: { readonly partial: boolean; readonly maxLength?: number },
): PatchOperation[] | null {
  if (partial && after === null) return [];
  const patch = jsonPatch(before, after, maxLength);
  if (!partial || patch === null) return patch;
  const isUnknown = ({ op, path }: PatchOperation) => op === 'remove' && !path.includes('/', 1);
  return before?.startsWith('{') ? patch.filter((operation) => !isUnknown(operation)) : patch;
}
