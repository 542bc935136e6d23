/** No answer within the deadline: a half-open connection, or the driver's pool hangs. */
export class DatabaseSilentError extends Error {
  override readonly name = 'DatabaseSilentError';
  readonly code = 'DATABASE_SILENT';
  constructor(deadlineMs: number) {
    super(`The database did not answer within ${deadlineMs} ms.`);
  }
}

/** More statements wait than can be answered in time; this one was not sent. */
export class DatabaseBusyError extends Error {
  override readonly name = 'DatabaseBusyError';
  readonly code = 'DATABASE_BUSY';
  constructor(waiting: number) {
    super(`${waiting} statements wait for the database already.`);
  }
}

/** What is known of a failed statement. `code` is an SQLSTATE, a network errno or a code of the driver's. */
export interface DatabaseFault {
  readonly code: string;
  readonly constraint: string | null;
  readonly table: string | null;
  readonly detail: string | null;
  readonly message: string;
}

/** SQLSTATEs, network errnos and the driver's codes: other errors carry codes too. */
const databaseCode =
  /^([0-9A-Z]{5}|CONNECT.*|DATABASE_.*|E[A-Z]+|UNSAFE_TRANSACTION|SASL.*|ERR_(TLS|SSL).*|.*(CERT|SIGNATURE).*)$/;

/** The database's own error inside whatever was thrown (drizzle wraps it), or null if it was something else. */
export function databaseFault(error: unknown): DatabaseFault | null {
  for (let inner: unknown = error; inner instanceof Error; inner = inner.cause) {
    const {
      code,
      constraint_name: constraint,
      table_name: table,
      detail,
      message,
    } = inner as Error & Record<string, unknown>;
    if (typeof code === 'string' && databaseCode.test(code)) {
      return {
        code,
        constraint: textOr(constraint),
        table: textOr(table),
        detail: textOr(detail),
        message: message || reasonOf(inner, code),
      };
    }
  }
  return null;
}

function textOr(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** A refused connection to a name with several addresses is an AggregateError without a message of its own. */
function reasonOf(error: Error, code: string): string {
  const [first] = error instanceof AggregateError ? error.errors : [];
  return first instanceof Error ? first.message : code;
}

/** Network, driver and server states in which the same statement may succeed later. SQLSTATEs by class or in full. */
const passing = /^(08...|53...|57014|57P0[1-5]|25006|40001|40P01|55P03|CONNECT|DATABASE_|E[A-Z]+$|UNSAFE_TRANSACTION)/;

/** Whether a fault says "not now" (unreachable, restarting, full, too slow) rather than "never". */
export function isPassingFault({ code }: DatabaseFault): boolean {
  return passing.test(code);
}

/** Whether the server, or we, gave up on a statement that ran too long. */
export function isTimeout({ code }: DatabaseFault): boolean {
  return code === '57014' || code === 'DATABASE_SILENT';
}

/** Whether the tables are not there yet, or are of an older version. */
function isMissingSchema({ code }: DatabaseFault): boolean {
  return code === '42P01' || code === '42703';
}

/** Whether it says that the database is set up wrongly: login, TLS, rights, name, tables. A person must mend it first. */
export function isMisconfigured(fault: DatabaseFault): boolean {
  return isMissingSchema(fault) || /^(28|3D|42501|SASL|ERR_)|CERT|SIGNATURE/.test(fault.code);
}

/** Whether the statement's data are to blame, and not the state of the server: they will be refused again. */
export function isDataFault({ code }: DatabaseFault): boolean {
  return /^(22|54|XX001)/.test(code);
}

/** One sentence for the operator, without values: the server's detail can quote a row. */
export function describeFault(fault: DatabaseFault): string {
  if (isMissingSchema(fault))
    return `The database's schema is not up to date (${fault.message}); run \`npm run migrate\`.`;
  if (isPassingFault(fault)) return `The database cannot be used now: ${fault.message} (${fault.code}).`;
  if (isMisconfigured(fault)) return `The database cannot be used as it is set up: ${fault.message} (${fault.code}).`;
  return `The database refused a statement: ${fault.message} (${fault.code}).`;
}
