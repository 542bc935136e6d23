import { getArchive } from './exports/get-archive.ts';
import { getExports } from './exports/get-exports.ts';
import { listHours } from './exports/list-hours.ts';
import { postPause, postResume } from './exports/pause.ts';
import { postReplay } from './exports/post-replay.ts';
import type { Route } from './http/route.ts';
import { getMe } from './keys/me.ts';
import { deleteKey, getKeys, postKey, postKeyRotation } from './keys/routes.ts';
import { listDestinations } from './ops/destinations.ts';
import { livez, readyz } from './ops/health.ts';
import { metrics } from './ops/metrics.ts';
import { archiveStates } from './read/archive-states.ts';
import { eventProof } from './read/event-proof.ts';
import { eventStats } from './read/event-stats.ts';
import { exportEvents } from './read/export-events.ts';
import { getEvent } from './read/get-event.ts';
import { listEvents } from './read/list-events.ts';
import { logCheckpoint } from './read/log-checkpoint.ts';
import { objectHistory } from './read/object-history.ts';
import { postBatch } from './write/post-batch.ts';
import { postEvent } from './write/post-event.ts';

/** Every route of the api: the Express app and /openapi.json are both made from this list. The first path that matches wins. */
export const routes: readonly Route[] = [
  postEvent,
  listEvents,
  postBatch,
  exportEvents,
  eventStats,
  objectHistory,
  archiveStates,
  getEvent,
  eventProof,
  logCheckpoint,
  listDestinations,
  postPause,
  postResume,
  getExports,
  listHours,
  getArchive,
  postReplay,
  postKey,
  getKeys,
  postKeyRotation,
  deleteKey,
  getMe,
  livez,
  readyz,
  metrics,
];
