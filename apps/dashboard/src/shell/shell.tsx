import type { ReactNode } from 'react';
import { GivenText } from '../parts/given-text.tsx';
import { Icon, type IconName } from '../parts/icon.tsx';
import { ZoneSwitch } from '../parts/zone-switch.tsx';
import { follow, usePlace } from '../place/place.ts';
import { setSession, useSession } from '../session/session.ts';
import { KeyHelp } from './help.tsx';
import { Logo } from './logo.tsx';
import { useTheme } from './theme.ts';

interface Entry {
  readonly path: string;
  readonly label: string;
  readonly icon: IconName;
  readonly scope: string;
  /** A key that is bound to a tenant may not see it. */
  readonly isOfAllTenants?: boolean;
}

/** A screen that the key cannot read is not offered; its address still says which scope is missing. */
const entries: readonly Entry[] = [
  { path: '/', label: 'Log', icon: 'log', scope: 'audit:read' },
  { path: '/export', label: 'Export', icon: 'export', scope: 'export:read', isOfAllTenants: true },
  { path: '/archive', label: 'Archive', icon: 'archive', scope: 'export:read', isOfAllTenants: true },
  { path: '/keys', label: 'Keys', icon: 'keys', scope: 'keys:admin' },
];

/** What is around every screen. */
export function Shell({ children }: { children: ReactNode }) {
  const { path } = usePlace();
  const session = useSession();
  const [theme, toggleTheme] = useTheme();
  const caller = session?.caller;
  return (
    <div className="shell">
      <a className="skip-link" href="#main">
        Skip to the content
      </a>
      <nav className="rail" aria-label="Screens">
        <a className="rail-logo" {...follow('/')} title="To the log">
          <Logo />
        </a>
        <ul>
          {entries
            .filter(({ scope, isOfAllTenants }) => caller?.scopes.includes(scope) && !(isOfAllTenants && caller.tenant))
            .map(({ path: to, label, icon }) => (
              <li key={to}>
                <a className="rail-link" aria-current={isBelow(path, to) ? 'page' : undefined} {...follow(to)}>
                  <Icon name={icon} />
                  <span>{label}</span>
                </a>
              </li>
            ))}
        </ul>
        <div className="rail-foot">
          <ZoneSwitch />
          <div className="who">
            <span className="who-name" title={caller?.scopes.join(', ')}>
              <Icon name="key" />
              <span>
                <GivenText text={caller?.name ?? ''} />
                <small>
                  <GivenText
                    text={caller?.tenant === null ? describeScopes(caller.scopes) : `tenant ${caller?.tenant}`}
                  />
                </small>
              </span>
            </span>
            <button
              type="button"
              className="icon-button"
              aria-label={theme === 'dark' ? 'Use light colours' : 'Use dark colours'}
              onClick={toggleTheme}
            >
              <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
            </button>
            <button type="button" className="icon-button" aria-label="Sign out" onClick={() => setSession(null)}>
              <Icon name="out" />
            </button>
          </div>
        </div>
      </nav>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <KeyHelp />
    </div>
  );
}

/** Events, objects and actors belong to the log. */
function isBelow(path: string, entry: string): boolean {
  return entry === '/' ? /^\/((events|objects|actors)\/|$)/.test(path) : path.startsWith(entry);
}

function describeScopes(scopes: readonly string[]): string {
  if (scopes.includes('keys:admin')) return 'admin';
  if (scopes.includes('export:replay')) return 'read and replay';
  return scopes.includes('audit:write') ? 'read and write' : 'read only';
}
