import type { Logger } from 'pino';
import { exitWith } from './exit-with.ts';
import { createProcessLog, type ProcessLog } from './log.ts';
import { createLogger } from './logger.ts';
import { listenForShutdown, type Shutdown, untilAborted } from './shutdown.ts';
import { startTracing, type Tracing } from './tracing.ts';
import { findUnknownSettings } from './unknown-settings.ts';
import { untilWritten } from './until-written.ts';

/** Less than the ten seconds after which Docker kills a container. */
const stopGraceMs = 8_000;

/** The settings that every process needs to start. */
interface StartSettings {
  readonly logLevel: string;
  /** Without it there are no traces. */
  readonly tracesEndpoint?: string | null | undefined;
}

/** What a running process works with. */
export interface Context<Settings> {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly tracing: Tracing | null;
  readonly shutdown: Shutdown;
}

interface StartOptions<Settings extends StartSettings> {
  readonly service: 'api' | 'exporter';
  /** Reads all settings from the environment. Throws an error whose message names every wrong setting. */
  readonly read: () => Settings;
  /** `stderr` keeps the standard output free for the result of a command. */
  readonly logTo?: 'stdout' | 'stderr';
  /** For a command that only reads: the first signal ends it, with this exit code. Null finishes what is under way. */
  readonly exitCodeOfStop?: number | null;
  /** Resolves to the exit code when the work is done. */
  readonly run: (context: Context<Settings>) => Promise<number>;
}

/**
 * Runs an app from its settings to its exit code. Wrong settings end the process with exit code 1 before anything is
 * started. An error that nobody caught ends it with exit code 1 after one log line: the state is unknown then, and a
 * restart is always safe.
 */
export function start<Settings extends StartSettings>({
  service,
  read,
  logTo,
  exitCodeOfStop = null,
  run,
}: StartOptions<Settings>): void {
  const settings = readOrExit(read);
  const logger = createLogger(service, settings.logLevel, logTo);
  const log = createProcessLog(logger);
  for (const unknown of findUnknownSettings(process.env)) log.settingUnknown(unknown);
  exitOnUnexpectedError(log, async () => {
    const tracing = await startTracing(`auditbox-${service}`, settings.tracesEndpoint ?? null, log.tracesNotSent);
    const shutdown = listenForShutdown(log, stopGraceMs);
    if (exitCodeOfStop !== null) void untilAborted(shutdown.taking).then(() => process.exit(exitCodeOfStop));
    const exitCode = await run({ settings, logger, tracing, shutdown });
    await tracing?.close();
    if (logTo === 'stderr') await untilWritten(process.stdout);
    // An open handle, such as a request for credentials without an answer, must not keep the process alive.
    process.exit(exitCode);
  });
}

function readOrExit<Settings>(read: () => Settings): Settings {
  try {
    return read();
  } catch (error) {
    exitWith(error);
  }
}

function exitOnUnexpectedError(log: ProcessLog, main: () => Promise<void>): void {
  const exit = (error: unknown) => {
    log.unexpectedError(error);
    process.exit(1);
  };
  process.on('uncaughtException', exit);
  process.on('unhandledRejection', exit);
  main().catch(exit);
}
