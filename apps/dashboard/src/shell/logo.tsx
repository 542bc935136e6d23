export function Logo() {
  return (
    <span className="logo">
      <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
        <rect width="32" height="32" rx="8" className="logo-ground" />
        <path d="M8 11.500 16 7l8 4.500v9L16 25l-8-4.500z" className="logo-box" />
        <path d="m12 16 3 3 5.500-6" className="logo-check" />
      </svg>
      <span>Auditbox</span>
    </span>
  );
}
