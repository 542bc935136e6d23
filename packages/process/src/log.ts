import type { Logger } from 'pino';
import { describeUnknownSetting, type UnknownSetting } from './unknown-settings.ts';

/**
 * The log lines of every process. Tests, alerts and the runbook refer to `event`, which is stable. The sentence is for
 * people and may change.
 */
export interface ProcessLog {
  unexpectedError(error: unknown): void;
  stopping(signal: NodeJS.Signals, graceMs: number): void;
  secondSignal(signal: NodeJS.Signals): void;
  databaseDriverHung(deadlineMs: number): void;
  tracesNotSent(reason: string): void;
  settingUnknown(setting: UnknownSetting): void;
}

export function createProcessLog(logger: Logger): ProcessLog {
  return {
    unexpectedError: (err) =>
      logger.fatal(
        { event: 'unexpected-error', err },
        'Unexpected error; exiting so that the supervisor restarts the process.',
      ),
    stopping: (signal, graceMs) =>
      logger.info(
        { event: 'stopping', signal, graceMs },
        'Stopping: finishing the work in progress. A second signal ends the process at once.',
      ),
    secondSignal: (signal) =>
      logger.warn({ event: 'second-signal', signal }, 'Second signal: ending the process at once.'),
    databaseDriverHung: (deadlineMs) =>
      logger.fatal(
        { event: 'database-driver-hung', deadlineMs },
        'The database driver has stopped answering; exiting so that the supervisor restarts the process.',
      ),
    tracesNotSent: (reason) =>
      logger.warn({ event: 'traces-not-sent', reason }, 'The trace collector did not accept traces.'),
    settingUnknown: (setting) => logger.warn({ event: 'setting-unknown', ...setting }, describeUnknownSetting(setting)),
  };
}
