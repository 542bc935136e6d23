/** An advisory lock. Any number will do; every migrator of Auditbox takes this one. */
export const migrationLock = 7_283_104_911;
