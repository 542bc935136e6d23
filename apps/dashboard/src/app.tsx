import { readPathPart } from '@auditbox/core/text/path-part.ts';
import { lazy, type ReactNode, Suspense } from 'react';
import { FaultBoundary } from './fault/fault-boundary.tsx';
import { loadScreen, useArrivedScreens } from './fault/load-screen.ts';
import { LogScreen } from './log/log-screen.tsx';
import { Notice } from './parts/notice.tsx';
import { follow, usePlace, withSearch } from './place/place.ts';
import { signInIssuer } from './session/issuer.ts';
import { answerPath } from './session/issuer-sign-in.ts';
import { useSession } from './session/session.ts';
import { SignIn } from './session/sign-in.tsx';
import { SignedIn } from './session/signed-in.tsx';
import { Shell } from './shell/shell.tsx';

// The list is the first thing that is opened. The other screens are loaded when they are needed.
const EventScreen = lazy(loadScreen(() => import('./event/event-screen.tsx')));
const ObjectScreen = lazy(loadScreen(() => import('./object/object-screen.tsx')));
const ExportScreen = lazy(loadScreen(() => import('./exports/export-screen.tsx')));
const ArchiveScreen = lazy(loadScreen(() => import('./archive/archive-screen.tsx')));
const KeysScreen = lazy(loadScreen(() => import('./keys/keys-screen.tsx')));
const ActorScreen = lazy(loadScreen(() => import('./actor/actor-screen.tsx')));

export function App() {
  const { path, search } = usePlace();
  const session = useSession();
  useArrivedScreens();
  if (path === answerPath && signInIssuer !== null) return <SignedIn issuer={signInIssuer} />;
  if (session === null) return <SignIn />;
  return (
    <Shell>
      <FaultBoundary part="This screen" place={withSearch(path, search)}>
        <Suspense fallback={<div className="skeleton" aria-busy="true" />}>{screenAt(path)}</Suspense>
      </FaultBoundary>
    </Shell>
  );
}

function screenAt(path: string): ReactNode {
  const [first = '', ...parts] = path.slice(1).split('/').map(decode);
  if (path === '/') return <LogScreen />;
  if (first === 'events' && parts.length === 1) return <EventScreen id={parts[0] ?? ''} key={parts[0]} />;
  const [one = '', two = ''] = parts;
  if (first === 'objects' && parts.length === 2) return <ObjectScreen table={one} object={two} key={path} />;
  if (first === 'actors' && parts.length === 1) return <ActorScreen actor={one} key={path} />;
  if (path === '/export') return <ExportScreen />;
  if (path === '/archive') return <ArchiveScreen />;
  if (path === '/keys') return <KeysScreen />;
  return (
    <div className="screen">
      <Notice icon="search" title="There is no such page">
        <a className="button" {...follow('/')}>
          To the log
        </a>
      </Notice>
    </div>
  );
}

function decode(part: string): string {
  try {
    return readPathPart(decodeURIComponent(part));
  } catch {
    return part;
  }
}
