import { localZone, setZone, useZone, type Zone } from '../time/zone.ts';

const choices: readonly { readonly zone: Zone; readonly label: string; readonly title: string }[] = [
  { zone: 'local', label: 'Local', title: `Your zone: ${localZone}` },
  { zone: 'utc', label: 'UTC', title: 'UTC, as the folders of the archive' },
  { zone: 'relative', label: 'Ago', title: 'How long ago' },
];

/** How times are shown, everywhere. */
export function ZoneSwitch() {
  const current = useZone();
  return (
    <fieldset className="segments">
      <legend className="unseen">Show times</legend>
      {choices.map(({ zone, label, title }) => (
        <button type="button" key={zone} aria-pressed={zone === current} title={title} onClick={() => setZone(zone)}>
          {label}
        </button>
      ))}
    </fieldset>
  );
}
