/** The form of a schema's name, which is safe in SQL without quotes. */
export const schemaNameForm = /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/;

/** The form for people. */
export const acceptedSchemaNames =
  'a name of at most 63 lower-case letters, digits and _ that begins with no digit and not with pg_';
