import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { Icon, type IconName } from './icon.tsx';

/** A button that opens a small panel below it. Escape and a click elsewhere close it; the focus goes back to the button. */
export function Popover({
  icon,
  label,
  className = '',
  name,
  children,
}: {
  icon?: IconName;
  label: ReactNode;
  className?: string;
  /** For screen readers, where the label alone says too little. */
  name?: string;
  children: (close: () => void) => ReactNode;
}) {
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  const around = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    const closeElsewhere = (event: PointerEvent) => {
      if (event.target instanceof Node && !around.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener('pointerdown', closeElsewhere);
    return () => document.removeEventListener('pointerdown', closeElsewhere);
  }, [isOpen]);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape is a key of the panel inside
    <div
      className={`popover ${className}`}
      ref={around}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !isOpen) return;
        event.stopPropagation();
        close();
      }}
    >
      <button
        type="button"
        className="button"
        ref={button}
        aria-expanded={isOpen}
        aria-controls={id}
        aria-label={name}
        onClick={() => setOpen(!isOpen)}
      >
        {icon && <Icon name={icon} />}
        <span className="button-label">{label}</span>
        <Icon name="down" />
      </button>
      {isOpen && (
        <div className="popover-panel" id={id}>
          {children(close)}
        </div>
      )}
    </div>
  );
}
