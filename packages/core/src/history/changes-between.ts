import { jsonPatch, type PatchOperation } from '../json/json-patch.ts';
import type { JsonText } from '../json/json-text.ts';

/**
 * What an event changed, as a JSON Patch from its `before_value` to its `updated_values`.
 *
 * Some writers record the whole new state as `updated_values`, others only the members that were set: LiteLLM's key
 * update records what the request named, and its blocking of a key an empty object. Nothing in an event tells the two
 * apart, so the caller must. With `partial`, a member that `after` leaves out is unsaid, not removed; if `after` is
 * null, everything is. Only the outermost object can be partial: below its members, and in arrays, `after` is complete.
 *
 * Recommended: `partial` for every action but created, deleted and rotated. The row of a table loses no column, and an
 * emptied one is null, so partial loses nothing there, whereas its opposite reports removals that never were. It does
 * hide the members that documents without fixed names drop: let readers of such ask for `partial: false`.
 */
export function changesBetween(
  before: JsonText | null,
  after: JsonText | null,
  { partial }: { readonly partial: boolean },
): PatchOperation[] {
  if (!partial) return jsonPatch(before, after);
  if (after === null) return [];
  const patch = jsonPatch(before, after);
  const isUnsaid = ({ op, path }: PatchOperation) => op === 'remove' && !path.includes('/', 1);
  return before?.startsWith('{') ? patch.filter((operation) => !isUnsaid(operation)) : patch;
}
