import { ago, fullTime, timeOfDay } from '../time/format.ts';
import { useNow } from '../time/use-now.ts';
import { localZone, useZone } from '../time/zone.ts';

/** A moment in the chosen zone. Hover shows it in both zones and as it was recorded. */
export function TimeOfDay({ at }: { at: string }) {
  const zone = useZone();
  return (
    <time dateTime={at} title={`${fullTime(at, 'local')} (${localZone})\n${fullTime(at, 'utc')}\n${at}`}>
      {zone === 'relative' ? <Ago at={at} /> : timeOfDay(at, zone)}
    </time>
  );
}

export function FullTime({ at }: { at: string }) {
  const zone = useZone();
  return (
    <time dateTime={at} title={at}>
      {fullTime(at, zone === 'utc' ? 'utc' : 'local')}
    </time>
  );
}

export function Ago({ at }: { at: string }) {
  return <>{ago(at, useNow())}</>;
}
