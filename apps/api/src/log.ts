import type { RefusedConnections } from '@auditbox/process/share-connections.ts';
import type { Logger } from 'pino';
import { hideSecrets } from './redact/redact.ts';

/** A request that was answered, or whose caller closed the connection. Never the query or a header: both may hold secrets. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly requestId: string;
  readonly status: number;
  readonly ms: number;
  /** False when the caller closed the connection before the end of the answer. */
  readonly answered: boolean;
}

/** Every line that the api logs. Tests, alerts and the runbook rely on `event`, never on the sentence. */
export type ApiLog = ReturnType<typeof createApiLog>;

export function createApiLog(logger: Logger) {
  return {
    listening(fields: { readonly host: string; readonly port: number }): void {
      logger.info({ event: 'api-listening', ...fields }, 'The api is listening.');
    },
    adminListening(fields: { readonly host: string; readonly port: number }): void {
      logger.info({ event: 'admin-listening', ...fields }, 'The port for operators is listening.');
    },
    certificatesReloaded(): void {
      logger.info({ event: 'certificates-reloaded' }, 'The certificates have changed and are in use.');
    },
    certificatesNotReloaded(error: unknown): void {
      logger.error(
        { event: 'certificates-not-reloaded', err: error },
        'The changed certificates cannot be used; the old ones stay in use.',
      );
    },
    /** A network has its share of connections already. One line a minute at most. */
    connectionsRefused(fields: RefusedConnections): void {
      logger.warn(
        { event: 'connections-refused', ...fields },
        'An address has as many connections as one may have; further ones are closed. A proxy must be in TRUSTED_PROXIES.',
      );
    },
    /** The master key has every right, is known to more people than it should be, and cannot be revoked. */
    masterKeyIsOn(): void {
      logger.warn(
        { event: 'master-key-on' },
        'AUDIT_MASTER_KEY is set. Create keys with `npm run keys`, then unset it.',
      );
    },
    /** `key` is what receipts are verified with. */
    receiptsSigned(fields: { readonly origin: string; readonly key: string }): void {
      logger.info({ event: 'receipts-signed', ...fields }, 'Writers get signed receipts.');
    },
    /** The times of use of the last minute are lost. */
    keyUseNotStored(error: unknown): void {
      logger.warn({ event: 'key-use-not-stored', err: error }, 'The last use of keys was not stored.');
    },
    /** The denied requests of the last minute have no audit event. */
    denialsNotStored(error: unknown): void {
      logger.error({ event: 'denials-not-stored', err: error }, 'Denied requests were not recorded as audit events.');
    },
    stopped(): void {
      logger.info({ event: 'api-stopped' }, 'The api has stopped.');
    },
    /** The first check of the database failed; `reason` is a sentence. */
    databaseNotReady(reason: string): void {
      logger.warn({ event: 'database-not-ready' }, `${reason} Until then requests get a 503.`);
    },
    /** Requests are served, but the operator should do something soon. */
    databaseNeedsCare(warning: string): void {
      logger.warn({ event: 'database-needs-care' }, warning);
    },
    request(fields: LoggedRequest): void {
      const level = fields.status >= 400 ? 'info' : 'debug';
      if (!logger.isLevelEnabled(level)) return;
      // The id of an object may be a secret. It is looked for only in a path that is logged.
      logger[level]({ event: 'request', ...fields, path: hideSecrets(fields.path) }, 'Request.');
    },
    /** A request ended with a 5xx. `error` is logged with its cause. */
    requestFailed(
      error: unknown,
      fields: { readonly method: string; readonly path: string; readonly status: number; readonly requestId: string },
    ): void {
      logger.error({ event: 'request-failed', err: error, ...fields }, 'A request failed.');
    },
  };
}
