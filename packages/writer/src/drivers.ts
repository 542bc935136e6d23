import type { Run } from './record-events.ts';

/*
 * One function for each library. Each accepts the transaction of the library, and imports nothing of it: the interfaces here
 * name the one method that is called.
 */

type Parameters = (string | null)[];

/** A postgres.js transaction: `sql.begin((tx) => recordEvents(withPostgresJs(tx), …))`. */
export function withPostgresJs(tx: { unsafe(text: string, parameters: Parameters): PromiseLike<unknown> }): Run {
  return async (text, parameters) => toRows(await tx.unsafe(text, [...parameters]));
}

/** A client of `pg` after `begin`. A pool would run each statement elsewhere. */
export function withPg(client: { query(text: string, parameters: Parameters): PromiseLike<unknown> }): Run {
  return async (text, parameters) => toRows(await client.query(text, [...parameters]));
}

/** A drizzle transaction on any driver, and `sql` of drizzle-orm. */
export function withDrizzle<Q>(
  tx: { execute(query: Q): PromiseLike<unknown> },
  sql: (texts: TemplateStringsArray, ...values: (string | null)[]) => Q,
): Run {
  return async (text, parameters) => {
    const { texts, values } = splitAtParameters(text, parameters);
    return toRows(await tx.execute(sql(Object.assign(texts, { raw: texts }), ...values)));
  };
}

/** A Kysely transaction, and `sql` of kysely. */
export function withKysely<T extends { readonly isTransaction: boolean }>(
  trx: T,
  sql: (
    texts: TemplateStringsArray,
    ...values: (string | null)[]
  ) => {
    // biome-ignore lint/suspicious/noExplicitAny: a Kysely of any database
    execute(executor: any): PromiseLike<unknown>;
  },
): Run {
  return async (text, parameters) => {
    const { texts, values } = splitAtParameters(text, parameters);
    return toRows(await sql(Object.assign(texts, { raw: texts }), ...values).execute(trx));
  };
}

/** A Knex transaction. */
export function withKnex(trx: { raw(text: string, bindings: Parameters): PromiseLike<unknown> }): Run {
  return async (text, parameters) => {
    const { texts, values } = splitAtParameters(text, parameters);
    return toRows(await trx.raw(texts.join('?'), values));
  };
}

/**
 * The `manager` of a TypeORM transaction.
 *
 * @public for services that use it
 */
export function withTypeOrm(manager: { query(text: string, parameters: Parameters): PromiseLike<unknown> }): Run {
  return async (text, parameters) => toRows(await manager.query(text, [...parameters]));
}

/**
 * A Sequelize instance and the transaction.
 *
 * @public for services that use it
 */
export function withSequelize<T>(
  sequelize: {
    query(text: string, options: { bind: Parameters; transaction: T; type: 'SELECT' }): PromiseLike<unknown>;
  },
  transaction: T,
): Run {
  return async (text, parameters) =>
    toRows(await sequelize.query(text, { bind: [...parameters], transaction, type: 'SELECT' }));
}

/**
 * The entity manager of a MikroORM transaction.
 *
 * @public for services that use it
 */
export function withMikroOrm(em: { execute(text: string, parameters: Parameters): PromiseLike<unknown> }): Run {
  return async (text, parameters) => {
    const { texts, values } = splitAtParameters(text, parameters);
    return toRows(await em.execute(texts.join('?'), values));
  };
}

/**
 * The client of an interactive Prisma transaction.
 *
 * @public for services that use it
 */
export function withPrisma(tx: {
  $queryRawUnsafe(text: string, ...parameters: (string | null)[]): PromiseLike<unknown>;
}): Run {
  return async (text, parameters) => toRows(await tx.$queryRawUnsafe(text, ...parameters));
}

/** The text between `$1`, `$2`, …, and the values in the order of their places. */
function splitAtParameters(text: string, parameters: readonly (string | null)[]) {
  const texts = text.split(/\$\d+/);
  const values = [...text.matchAll(/\$(\d+)/g)].map(([, place]) => parameters[Number(place) - 1] ?? null);
  return { texts, values };
}

/** Some libraries return the rows, others an object that has them. */
function toRows(result: unknown): readonly unknown[] {
  if (Array.isArray(result)) return result;
  const { rows } = result as { rows?: unknown };
  return Array.isArray(rows) ? rows : [];
}
