import type { Request, Response } from 'express';
import { Histogram, type Registry } from 'prom-client';
import { routeTemplate } from '../http/route-template.ts';

/** Records how long a request took, after its answer was sent or its caller closed the connection. */
export type RequestSeconds = (request: Request, response: Response, seconds: number) => void;

/** One series of the histogram. */
interface Child {
  observe(seconds: number): void;
}

/** An idle api answers in half a millisecond. The deadline of a statement is ten seconds. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A caller can send any method that Node's parser knows. Each would add a time series that never ends. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Requests by method, route template and status. The series are kept by route, then method, then status. This runs for
 * every request, and prom-client's own lookup by an object of labels takes ten times as long.
 */
export function createRequestSeconds(registry: Registry): RequestSeconds {
  const histogram = new Histogram({
    name: 'auditbox_http_request_seconds',
    help: 'Time from a request\'s headers to the end of its answer. Status "aborted": the caller closed the connection. Route "other": no route matched.',
    labelNames: ['method', 'route', 'status'],
    buckets,
    registers: [registry],
  });
  const children = new Map<string, Map<string, Map<number, Child>>>();

  function getChild(route: string, method: string, status: number): Child {
    const byMethod = getOrMake(children, route, () => new Map<string, Map<number, Child>>());
    const byStatus = getOrMake(byMethod, method, () => new Map<number, Child>());
    return getOrMake(byStatus, status, () => {
      const methodShown = methods.has(method) ? method : 'other';
      return histogram.labels(methodShown, route, status === aborted ? 'aborted' : String(status));
    });
  }

  return (request, response, seconds) => {
    const status = response.writableFinished ? response.statusCode : aborted;
    getChild(routeTemplate(request), request.method, status).observe(seconds);
  };
}

const aborted = 0;

function getOrMake<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
