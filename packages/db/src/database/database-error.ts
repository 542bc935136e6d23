import { namesInMessage } from './error-names.ts';

/** What an error of the database means for its caller. */
export type DatabaseErrorKind =
  /** The server cannot be reached, restarts, or ended the connection. */
  | 'unreachable'
  /** The server, or our deadline, gave up on a statement. Its effect may be unknown. */
  | 'timeout'
  /** Too many of our statements wait, so this one was not sent. */
  | 'busy'
  /** Disk, memory or connections of the server are used up. */
  | 'full'
  /** The server is a standby, or set to read only. */
  | 'read-only'
  /** Another transaction blocked this one. */
  | 'conflict'
  /** Login, TLS, rights or the database's name: a person must change something. */
  | 'misconfigured'
  /** Tables, columns or functions are missing: `migrate` has not run, or another version of it has. */
  | 'schema'
  /** A newer version migrated the database, and its schema is not for this one. */
  | 'newer schema'
  /** A value of the statement is invalid, too large, or damaged on disk. */
  | 'data'
  /** A constraint or a trigger refused a row. */
  | 'constraint'
  /** Any other error. */
  | 'unexpected';

interface Meaning {
  readonly kind: DatabaseErrorKind;
  /** What happened, in words for a person. */
  readonly name: string;
  /** Whether the same statement may succeed later without a person's help. */
  readonly retry: boolean;
}

/** By SQLSTATE, its class (two characters), or a code of the driver, of Node or of this file. The longest prefix that is listed decides. */
const meanings: Readonly<Record<string, Meaning>> = {
  '08': { kind: 'unreachable', name: 'connection failure', retry: true },
  '22': { kind: 'data', name: 'invalid value', retry: false },
  '23': { kind: 'constraint', name: 'constraint violation', retry: false },
  '25006': { kind: 'read-only', name: 'read-only server', retry: true },
  '25P03': { kind: 'timeout', name: 'idle transaction ended by the server', retry: true },
  '25P04': { kind: 'timeout', name: 'transaction ended by the server', retry: true },
  '28': { kind: 'misconfigured', name: 'login refused', retry: false },
  '3D': { kind: 'misconfigured', name: 'unknown database', retry: false },
  '3F000': { kind: 'schema', name: 'unknown schema', retry: false },
  '40001': { kind: 'conflict', name: 'serialization failure', retry: true },
  '40P01': { kind: 'conflict', name: 'deadlock', retry: true },
  '42501': { kind: 'misconfigured', name: 'missing right', retry: false },
  '42703': { kind: 'schema', name: 'unknown column', retry: false },
  '42883': { kind: 'schema', name: 'unknown function', retry: false },
  '42P01': { kind: 'schema', name: 'unknown table', retry: false },
  '53': { kind: 'full', name: 'out of resources', retry: true },
  '53100': { kind: 'full', name: 'disk full', retry: true },
  '53300': { kind: 'full', name: 'too many connections', retry: true },
  '54': { kind: 'data', name: 'value too large', retry: false },
  '55P03': { kind: 'conflict', name: 'lock not available', retry: true },
  '57014': { kind: 'timeout', name: 'statement cancelled', retry: true },
  '57P': { kind: 'unreachable', name: 'server is shutting down or starting', retry: true },
  XX001: { kind: 'data', name: 'damaged data', retry: false },
  AUDIT_EVENT_GONE: { kind: 'data', name: 'event removed during a read', retry: false },
  CONNECT: { kind: 'unreachable', name: 'connection failure', retry: true },
  DATABASE_BUSY: { kind: 'busy', name: 'too many statements wait', retry: true },
  DATABASE_SILENT: { kind: 'timeout', name: 'no answer', retry: true },
  DEADLINE_OVER: { kind: 'timeout', name: 'deadline of the request', retry: true },
  ANOTHER_CELL: { kind: 'misconfigured', name: 'another cell', retry: false },
  SCHEMA_TOO_NEW: { kind: 'newer schema', name: 'newer schema', retry: false },
  UNSAFE_TRANSACTION: { kind: 'unreachable', name: 'connection in an unknown state', retry: true },
  SASL: { kind: 'misconfigured', name: 'login refused', retry: false },
  ERR_TLS: { kind: 'misconfigured', name: 'TLS failure', retry: false },
  ERR_SSL: { kind: 'misconfigured', name: 'TLS failure', retry: false },
};

/** OpenSSL's codes for certificates have the decisive word in the middle: UNABLE_TO_VERIFY_LEAF_SIGNATURE, CERT_HAS_EXPIRED. */
const certificateCode = /CERT|SIGNATURE/;
const certificate: Meaning = { kind: 'misconfigured', name: 'certificate refused', retry: false };
const network: Meaning = { kind: 'unreachable', name: 'network failure', retry: true };
const unknown: Meaning = { kind: 'unexpected', name: 'unexpected error', retry: false };

function findMeaning(code: string, isNetwork: boolean): Meaning | null {
  for (let length = code.length; length > 0; length--) {
    const meaning = meanings[code.slice(0, length)];
    if (meaning) return meaning;
  }
  if (certificateCode.test(code)) return certificate;
  return isNetwork ? network : null;
}

interface Details {
  readonly constraint?: string | null;
  readonly table?: string | null;
  readonly column?: string | null;
  readonly detail?: string | null;
  readonly isNetwork?: boolean;
}

/** The code of `DatabaseError.late`. */
export const deadlineOverCode = 'DEADLINE_OVER';

/** The code of `DatabaseError.anotherCell`. */
export const anotherCellCode = 'ANOTHER_CELL';

/** A statement failed, or could not be sent. Made by `Database.query` alone; `cause` is what the driver threw. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
  /** An SQLSTATE, a code of the driver or of Node, or one that is listed above. */
  readonly code: string;
  readonly kind: DatabaseErrorKind;
  /** Whether the same statement may succeed later without a person's help. */
  readonly retry: boolean;
  readonly constraint: string | null;
  readonly table: string | null;
  readonly column: string | null;
  /** The cell whose statement failed; null where there is one database. */
  cell: string | null = null;
  /** May quote a row, so it is for our own comparisons and never logged. */
  readonly detail: string | null;
  readonly #means: string;

  constructor(code: string, message: string, details: Details = {}, options?: ErrorOptions) {
    super(message, options);
    const { kind, name, retry } = findMeaning(code, details.isNetwork ?? false) ?? unknown;
    this.code = code;
    this.kind = kind;
    this.retry = retry;
    this.#means = name;
    this.constraint = details.constraint ?? null;
    this.table = details.table ?? null;
    this.column = details.column ?? null;
    this.detail = details.detail ?? null;
  }

  /** No answer within the deadline: the connection is half open, or the driver's pool hangs. */
  static silent(deadlineMs: number): DatabaseError {
    return new DatabaseError('DATABASE_SILENT', `The database did not answer within ${deadlineMs} ms.`);
  }

  /** The deadline of a request is over. Several databases may have used it up, so it says nothing about one of them. */
  static late(deadlineMs: number): DatabaseError {
    return new DatabaseError(deadlineOverCode, `The request was not done within ${deadlineMs} ms.`);
  }

  /** The schema has a migration that this version must know and does not. Nothing was sent. */
  static schemaTooNew(tag: string): DatabaseError {
    return new DatabaseError(
      'SCHEMA_TOO_NEW',
      `The database's schema is too new for this version of Auditbox, which does not know its migration ${tag}`,
    );
  }

  /** The settings have another name for the database than it has. Nothing was sent. */
  static anotherCell(found: string, expected: string): DatabaseError {
    return new DatabaseError(
      anotherCellCode,
      `The settings call this database the cell ${expected}, and it is the cell ${found}. Swap the names or the URLs`,
    );
  }

  /** More statements wait than can be answered in time, so this one was not sent. */
  static busy(waiting: number): DatabaseError {
    return new DatabaseError('DATABASE_BUSY', `${waiting} statements already wait for the database.`);
  }

  /** One sentence for the operator, without values of the statement. */
  get sentence(): string {
    return this.cell === null ? this.#sentence : `In the cell ${this.cell}: ${this.#sentence}`;
  }

  get #sentence(): string {
    const why = `${this.message} (${this.code})`;
    switch (this.kind) {
      case 'schema':
        return `The database's schema is not up to date: ${why}. Run \`npm run migrate\`.`;
      case 'newer schema':
        return `${why}. Upgrade this process.`;
      case 'misconfigured':
        return `The database's set-up is wrong (${this.#means}): ${why}.`;
      default:
        return this.retry
          ? `The database is not available now (${this.#means}): ${why}.`
          : `The database refused a statement (${this.#means}): ${why}.`;
    }
  }
}

/**
 * The DatabaseError for what a statement threw, or null if it is not the database's error. `Database.query` calls it, so
 * only statements in a caller's transaction need it.
 */
export function toDatabaseError(thrown: unknown): DatabaseError | null {
  // drizzle wraps the driver's error in one that has the statement's parameters.
  let inner: unknown = thrown;
  while (inner instanceof Error && 'params' in inner) inner = inner.cause;
  if (inner instanceof DatabaseError) return inner;
  if (!(inner instanceof Error)) return null;
  const { code, constraint_name, table_name, column_name, detail, syscall } = inner as Error & Record<string, unknown>;
  if (typeof code !== 'string') return null;
  const isNetwork =
    code === brokenPipe || (/^E[A-Z]+$/.test(code) && (networkCalls.has(syscall) || inner instanceof AggregateError));
  // Other errors have codes too, including our own.
  if (inner.name !== 'PostgresError' && findMeaning(code, isNetwork) === null) return null;
  const message = readMessage(inner, code);
  const isNamed = constraint_name !== undefined || table_name !== undefined;
  const names = isNamed ? null : namesInMessage(code, message);
  const details = {
    constraint: text(constraint_name) ?? names?.constraint ?? null,
    table: text(table_name) ?? names?.table ?? null,
    column: text(column_name) ?? names?.column ?? null,
    detail: text(detail),
    isNetwork,
  };
  return new DatabaseError(code, message, details, { cause: thrown });
}

/** Only network calls can be the database's error: an ENOENT of `open` is about a file. */
const networkCalls = new Set<unknown>(['connect', 'getaddrinfo', 'read', 'write']);

/** Node names no call for a write to a socket that the server has ended, until the driver knows of the end. */
const brokenPipe = 'EPIPE';

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** A refused connection to a name with several addresses is an AggregateError without a message. */
function readMessage(error: Error, code: string): string {
  if (error.message) return error.message;
  const [first] = error instanceof AggregateError ? error.errors : [];
  return first instanceof Error ? first.message : code;
}
