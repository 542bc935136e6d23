import { nearestName } from '@auditbox/core/text/nearest-name.ts';
import knownSettings from './known-settings.json' with { type: 'json' };

/** A variable that looks like one of our settings and is not a setting, usually because of a typing error. */
export interface UnknownSetting {
  readonly name: string;
  /** The setting that was probably meant. */
  readonly nearest: string | null;
}

/** Prefixes that nobody else uses. Platforms set names such as DATABASE_PRIVATE_URL by themselves. */
const ourPrefixes = /^(ARCHIVE|AUDIT|EXPORT|S3|RETENTION|RATE_LIMIT|DESTINATIONS|METRICS)_/;

/** The variables with one of our prefixes that no process reads. They are ignored, so the person who set them must learn of it. */
export function findUnknownSettings(environment: NodeJS.ProcessEnv): readonly UnknownSetting[] {
  return Object.keys(environment)
    .filter((name) => ourPrefixes.test(name) && !knownSettings.includes(name))
    .map((name) => ({ name, nearest: nearestName(name, knownSettings) }));
}

/** A warning in a sentence. */
export function describeUnknownSetting({ name, nearest }: UnknownSetting): string {
  return `${name} is not a setting and is ignored.${nearest === null ? '' : ` Did you mean ${nearest}?`}`;
}
