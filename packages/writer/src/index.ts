export { type AuditEvent, InvalidAuditEventError } from './audit-event.ts';
export {
  withDrizzle,
  withKnex,
  withKysely,
  withMikroOrm,
  withPg,
  withPostgresJs,
  withPrisma,
  withSequelize,
  withTypeOrm,
} from './drivers.ts';
export { JsonText } from './json-text.ts';
export { actAs, type Run, recordEvents, type WriterOptions } from './record-events.ts';
