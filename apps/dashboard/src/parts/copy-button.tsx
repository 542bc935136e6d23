import { useState } from 'react';
import { Icon } from './icon.tsx';

interface CopyProps {
  readonly text: string;
  readonly label: string;
}

/** Copies a text as it is. */
export function CopyButton({ text, label }: CopyProps) {
  const [state, words, copy] = useCopy({ text, label });
  return (
    <button type="button" className="icon-button" aria-label={words} title={words} onClick={copy}>
      <Icon name={state === 'copied' ? 'check' : 'copy'} />
      <span className="unseen" role="status">
        {state === 'ready' ? '' : words}
      </span>
    </button>
  );
}

/** The same, where there is room for words. */
export function CopyTextButton(props: CopyProps) {
  const [state, words, copy] = useCopy(props);
  return (
    <>
      <button type="button" className="button" onClick={copy}>
        <Icon name={state === 'copied' ? 'check' : 'copy'} />
        {words}
      </button>
      <span className="unseen" role="status">
        {state === 'ready' ? '' : words}
      </span>
    </>
  );
}

type CopyState = 'ready' | 'copied' | 'failed';

function useCopy({ text, label }: CopyProps): readonly [CopyState, string, () => Promise<void>] {
  const [state, setState] = useState<CopyState>('ready');
  const copy = async () => {
    setState((await copyText(text)) ? 'copied' : 'failed');
    setTimeout(() => setState('ready'), 1_500);
  };
  return [state, { ready: label, copied: 'Copied', failed: 'Copy it by hand' }[state], copy];
}

/** Browsers have the clipboard only over https and on this machine; elsewhere a selection is copied. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied;
  }
}
