export { cursorFile } from './cursor-file.ts';
export type { RefusedLine } from './spool/sender.ts';
export { openSpool, type Spool, type SpoolOptions } from './spool/spool.ts';
export { SpoolFullError, SpoolInUseError } from './spool/spool-errors.ts';
