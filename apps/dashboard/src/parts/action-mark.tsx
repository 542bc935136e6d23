import { hueOf, signOf } from '../events/action.ts';
import { GivenText } from './given-text.tsx';

/** Sign and word of an action. */
export function ActionMark({ action }: { action: string }) {
  return (
    <span className={`action-mark hue-${hueOf(action)}`}>
      <span aria-hidden="true" className="action-sign">
        {signOf(action)}
      </span>
      <GivenText text={action} />
    </span>
  );
}
