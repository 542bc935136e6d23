import { commonSettings, hostSetting, portRange } from '@auditbox/process/common-settings.ts';
import { listOf, optional, type SettingValues, secret, textOf, wholeNumber } from '@auditbox/process/settings.ts';

/** The api's settings. */
export const apiSettings = {
  ...commonSettings,
  HOST: hostSetting,
  PORT: wholeNumber(portRange, { meaning: "The api's port; 0 takes any free one.", fallback: 4000 }),
  AUDIT_MASTER_KEY: optional(
    secret(
      textOf(/^[\x21-\x7e]{16,}$/, 'at least 16 visible ASCII characters', {
        meaning: 'A key with every scope, to begin with.',
        fallbackShown: 'none',
      }),
    ),
  ),
  DATABASE_READ_URL: optional(
    secret(
      textOf(/^postgres(ql)?:\/\/\S+$/, 'a postgres:// URL', {
        meaning: 'A replica that answers reads; without it DATABASE_URL does.',
        fallbackShown: 'none',
      }),
    ),
  ),
  AUDIT_TOTAL_MAX: wholeNumber(
    { min: 1_000, max: 100_000_000 },
    { meaning: 'GET /audit counts matching events, and has pages, up to this.', fallback: 1_000_000 },
  ),
  AUDIT_ACTIONS: listOf('words separated by commas', {
    meaning: 'The closed set of actions.',
    fallback: ['created', 'updated', 'deleted', 'blocked', 'unblocked', 'rotated'],
  }),
  METRICS_TOKEN: optional(
    secret(
      textOf(/^[\x21-\x7e]{16,}$/, 'at least 16 visible ASCII characters', {
        meaning: 'What GET /metrics of the api asks for as a bearer token; without it anybody may ask.',
        fallbackShown: 'none',
      }),
    ),
  ),
} as const;

/** Their values. */
export type ApiConfig = SettingValues<typeof apiSettings>;
