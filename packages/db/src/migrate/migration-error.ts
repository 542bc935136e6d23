/** The database is not in a state that `migrate` can continue from. The message says what a person must do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly code = 'MIGRATION_REFUSED';
}
