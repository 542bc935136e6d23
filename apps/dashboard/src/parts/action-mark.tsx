import { hueOf, signOf } from '../events/action.ts';

/** Sign and word of an action. */
export function ActionMark({ action }: { action: string }) {
  return (
    <span className={`action-mark hue-${hueOf(action)}`}>
      <span aria-hidden="true" className="action-sign">
        {signOf(action)}
      </span>
      {action}
    </span>
  );
}
