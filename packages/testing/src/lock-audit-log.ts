import type { Database } from '@auditbox/db/database/connect.ts';

/** Makes every statement on audit_log wait until the function that it resolves to is called. */
export async function lockAuditLog(db: Database): Promise<() => Promise<void>> {
  const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
  const { promise: locked, resolve: tell } = Promise.withResolvers<void>();
  const lock = db.sql.begin(async (tx) => {
    await tx`lock table audit_log in access exclusive mode`;
    tell();
    await go;
  });
  await locked;
  return async () => {
    letGo();
    await lock;
  };
}
