import { CopyButton } from '../parts/copy-button.tsx';
import { Dialog } from '../parts/dialog.tsx';

export interface IssuedKey {
  readonly id: string;
  readonly name: string;
  readonly key: string;
}

/** Shows a secret, once. */
export function IssuedKeyDialog({ issued, onClose }: { issued: IssuedKey; onClose: () => void }) {
  return (
    <Dialog title={`The key of ${issued.name}`} onClose={onClose}>
      <p>It is shown only now. Auditbox keeps its hash alone. After a rotation the old secret stays valid for a day.</p>
      <div className="command secret">
        <code>{issued.key}</code>
        <CopyButton text={issued.key} label="Copy the key" />
      </div>
      <div className="dialog-actions">
        <button type="button" className="button primary" onClick={onClose}>
          I have stored it
        </button>
      </div>
    </Dialog>
  );
}
