/*
 * `npm run bench` installs the alternatives that it measures; `npm ci` does not. Without them the compiler can still check the
 * benchmark: everything from these packages has the type `any`. `tsconfig.json` of this folder leaves this file out.
 */

declare module 'graphile-worker';
declare module 'pg-boss';
declare module 'pg-transactional-outbox';
