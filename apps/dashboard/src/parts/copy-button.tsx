import { useState } from 'react';
import { Icon } from './icon.tsx';

/** Copies a text as it is. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [state, setState] = useState<'ready' | 'copied' | 'failed'>('ready');
  const copy = async () => {
    setState((await copyText(text)) ? 'copied' : 'failed');
    setTimeout(() => setState('ready'), 1_500);
  };
  const words = { ready: label, copied: 'Copied', failed: 'Copy it by hand' }[state];
  return (
    <button type="button" className="icon-button" aria-label={words} title={words} onClick={copy}>
      <Icon name={state === 'copied' ? 'check' : 'copy'} />
      <span className="unseen" role="status">
        {state === 'ready' ? '' : words}
      </span>
    </button>
  );
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
