import { listOfEach, optional, secret, textOf } from '@auditbox/process/settings.ts';

/** The environment variables of destinations next to S3. */
export const destinationsEnvironment = {
  DESTINATIONS_FILE: optional(
    textOf(/\S/, 'the path of a JSON file', {
      meaning: 'Destinations in addition to S3. See [Destinations](destinations.md).',
      fallbackShown: 'none',
    }),
  ),
  DESTINATIONS: optional(
    listOfEach(/^[a-z][a-z0-9-]{0,31}$/, 'names of destinations, separated by commas', {
      meaning: 'Serve only these destinations in this process. S3 is `s3`.',
      fallbackShown: 'all',
    }),
  ),
  WEBHOOK_URL: optional(
    textOf(/\S/, 'an https URL, or http on the same machine', {
      meaning: 'Posts each event to this URL, signed as Standard Webhooks: the destination `webhook`.',
      fallbackShown: 'none',
    }),
  ),
  WEBHOOK_SECRET: optional(
    secret(
      textOf(/\S/, 'whsec_ and 24 to 64 bytes in base64, or two of them separated by a comma', {
        meaning: 'Signs what is posted to WEBHOOK_URL. With two secrets, a receiver may know either.',
        fallbackShown: 'none',
      }),
    ),
  ),
} as const;
