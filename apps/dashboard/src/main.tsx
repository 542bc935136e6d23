import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { FaultBoundary } from './fault/fault-boundary.tsx';
import { applyTheme } from './shell/theme.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/shell.css';
import './styles/log.css';
import './styles/event.css';
import './styles/screens.css';
import './styles/history.css';
import './styles/actor.css';
import './styles/export.css';
import './styles/archive.css';
import './styles/keys.css';

applyTheme();
createRoot(document.getElementById('page') as HTMLElement).render(
  <StrictMode>
    <FaultBoundary part="The page" place={null} onRetry={() => location.reload()}>
      <App />
    </FaultBoundary>
  </StrictMode>,
);
