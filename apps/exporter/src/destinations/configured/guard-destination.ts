import { within } from '@auditbox/core/within.ts';
import type { DeliveryRequest, Destination, Finding, Row } from '@auditbox/destination-kit/destination.ts';

/** How long a destination that is closed, or whose check was stopped, is waited for. */
const stopWithinMs = 5_000;

/**
 * A destination that cannot hurt others: no call throws at once, waits for ever or returns something else. A module may be
 * JavaScript, which no compiler checked. `copiesRows`: what the destination changes in its rows is not sent again.
 */
export function guardDestination(
  inner: Destination,
  { copiesRows, stopMs = stopWithinMs }: { readonly copiesRows: boolean; readonly stopMs?: number },
): Destination {
  const { maxRows, maxBytes, maxRowBytes, maxAgeMs, rowBytes } = inner.limits;
  const copy = (row: Row): Row => (copiesRows ? { ...row } : row);

  return {
    limits: {
      ...{ maxRows, maxBytes, maxRowBytes },
      ...(maxAgeMs !== undefined && { maxAgeMs }),
      ...(rowBytes !== undefined && {
        rowBytes(row: Row) {
          const bytes: unknown = rowBytes.call(inner.limits, copy(row));
          if (Number.isFinite(bytes) && Number(bytes) >= 0) return Number(bytes);
          throw new TypeError('limits.rowBytes must return a number of bytes.');
        },
      }),
    },
    async deliver(request: DeliveryRequest, signal) {
      return inner.deliver(copiesRows ? { ...request, rows: request.rows.map(copy) } : request, signal);
    },
    async check(signal) {
      const { promise: late, resolve } = Promise.withResolvers<readonly Finding[]>();
      let timer: NodeJS.Timeout | undefined;
      const stop = () => {
        timer = setTimeout(resolve, stopMs, [{ says: 'The check did not end in time.', stopsDelivery: true }]);
      };
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
      try {
        return readFindings(await Promise.race([inner.check(signal), late]));
      } finally {
        signal.removeEventListener('abort', stop);
        clearTimeout(timer);
      }
    },
    async close() {
      await within(stopMs, inner.close(), () => {});
    },
  };
}

function readFindings(returned: unknown): readonly Finding[] {
  if (!Array.isArray(returned)) throw new TypeError('The check returned no list of findings.');
  return returned.map((finding: Partial<Finding> | null | undefined) => ({
    says: String(finding?.says ?? 'The check found something and did not say what.'),
    stopsDelivery: finding?.stopsDelivery === true,
  }));
}
