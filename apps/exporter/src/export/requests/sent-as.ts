import type { DeliveryRow } from '@auditbox/db/export/copy-delivery-rows.ts';
import type { DestinationLimits } from '@auditbox/destination-kit/destination.ts';
import type { FormatName, Forms, OmissibleField } from '../../destinations/formats/format.ts';

/** Which events a destination gets, by exact values. An event must match each key that `only` has, and none of `except`. */
interface EventFilter {
  readonly action?: readonly string[] | undefined;
  readonly table_name?: readonly string[] | undefined;
  readonly object_id?: readonly string[] | undefined;
  readonly changed_by?: readonly string[] | undefined;
}

/** What a destination is sent, as its configuration says. */
export interface Selection {
  readonly format: FormatName;
  readonly omit: readonly OmissibleField[];
  readonly only: EventFilter | null;
  readonly except: EventFilter | null;
}

/**
 * Everything that decides how a batch is cut and formatted. It is recorded at the first attempt at a delivery and holds for
 * the delivery for ever, so that a key always comes with the same bytes, also after the configuration was changed.
 */
export interface SentAs extends Selection {
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly maxRowBytes: number;
  /** Whether keys of requests have the time of the seal. Missing in a delivery that an older version began. */
  readonly hasSealInKey?: true;
  /** Whether keys of parts of requests name their rows. Missing in a delivery that an older version began. */
  readonly namesParts?: true;
  /** Whether `ocsf` has the attributes and classes of OCSF 1.8. Missing in a delivery that an older version began. */
  readonly followsOcsf18?: true;
  /** The form of `ocsf`. Missing in a delivery that was begun in the first or second form; `followsOcsf18` tells them apart. */
  readonly ocsfForm?: 3;
  /** The form of `ecs`. Missing in a delivery that was begun in the first form. */
  readonly ecsForm?: 2;
}

export function formatSentAs(selection: Selection, limits: DestinationLimits): string {
  const { format, omit, only, except } = selection;
  const { maxRows, maxBytes, maxRowBytes } = limits;
  return JSON.stringify({
    format,
    omit,
    only,
    except,
    maxRows,
    maxBytes,
    maxRowBytes,
    hasSealInKey: true,
    namesParts: true,
    ...(format === 'ocsf' && { followsOcsf18: true, ocsfForm: 3 }),
    ...(format === 'ecs' && { ecsForm: 2 }),
  } satisfies SentAs);
}

/** For texts that `formatSentAs` made. */
export function parseSentAs(text: string): SentAs {
  return JSON.parse(text) as SentAs;
}

/** The forms of formats that a delivery was begun in. */
export function formsOf({ followsOcsf18, ocsfForm, ecsForm }: SentAs): Forms {
  return { ocsf: ocsfForm ?? (followsOcsf18 ? 2 : 1), ecs: ecsForm ?? 1 };
}

/** Whether an event is meant for the destination. */
export function isMeant({ only, except }: Pick<Selection, 'only' | 'except'>, row: DeliveryRow): boolean {
  return (only === null || matches(only, row, 'every')) && (except === null || !matches(except, row, 'some'));
}

function matches(filter: EventFilter, row: DeliveryRow, quantifier: 'every' | 'some'): boolean {
  const values = { action: row.action, table_name: row.tableName, object_id: row.objectId, changed_by: row.changedBy };
  return Object.entries(filter)[quantifier](
    ([name, accepted]) => accepted === undefined || accepted.includes(values[name as keyof EventFilter]),
  );
}
