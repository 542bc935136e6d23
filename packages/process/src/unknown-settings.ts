import { nearestName } from '@auditbox/core/text/nearest-name.ts';
import knownSettings from './known-settings.json' with { type: 'json' };

/** A variable that looks like one of our settings and is not a setting, usually because of a typing error. */
export interface UnknownSetting {
  readonly name: string;
  /** The setting that was probably meant. */
  readonly nearest: string | null;
}

/** Prefixes that nobody else uses. */
const ourPrefixes = /^(ARCHIVE|AUDIT|EXPORT|S3|RETENTION|RATE_LIMIT|DESTINATIONS|METRICS)_/;

/**
 * Prefixes of our settings that others use too: platforms set names such as DATABASE_PRIVATE_URL by themselves. Only a name that is
 * like one of our settings is a mistake there, and only while that setting is missing.
 */
const sharedPrefixes = /^(DATABASE|HTTP|TLS|WEBHOOK|CELL)_/;

/** The variables with one of our prefixes that no process reads. They are ignored, so the person who set them must learn of it. */
export function findUnknownSettings(environment: NodeJS.ProcessEnv): readonly UnknownSetting[] {
  return Object.keys(environment)
    .filter((name) => !knownSettings.includes(name))
    .flatMap((name) => {
      if (ourPrefixes.test(name)) return [{ name, nearest: nearestName(name, knownSettings) }];
      const nearest = findSharedNearest(name);
      return nearest === null || environment[nearest] ? [] : [{ name, nearest }];
    });
}

/** The setting with the same shared prefix whose other letters are like those of the name. */
function findSharedNearest(name: string): string | null {
  const prefix = sharedPrefixes.exec(name)?.[0];
  if (prefix === undefined) return null;
  const ours = knownSettings.filter((setting) => setting.startsWith(prefix));
  const nearest = nearestName(
    name.slice(prefix.length),
    ours.map((setting) => setting.slice(prefix.length)),
  );
  return nearest && `${prefix}${nearest}`;
}

/** A warning in a sentence. */
export function describeUnknownSetting({ name, nearest }: UnknownSetting): string {
  return `${name} is not a setting and is ignored.${nearest === null ? '' : ` Did you mean ${nearest}?`}`;
}
