import { within } from '@auditbox/core/within.ts';

/*
 * Traces by OpenTelemetry. Its packages are loaded only when an endpoint is set, because loading them lasts as long as
 * loading the whole rest of the process.
 */

type Attributes = Record<string, string | number | boolean>;

/** A piece of work, from its begin to `end`. */
export interface Span {
  /** Its name for other processes (W3C Trace Context, 55 characters). Undefined when the span is not sampled, because no collector has it then. */
  readonly traceparent: string | undefined;
  /** `links` are the `traceparent`s of spans that led to this one. An invalid `traceparent` is left out. */
  child(name: string, attributes: Attributes, links?: readonly string[]): Span;
  /** `name` replaces the first name. `failure` is a short reason, only for work that failed. */
  end(about: { name?: string; attributes?: Attributes; failure?: string }): void;
}

export interface Tracing {
  /** Begins a trace, or continues the one in a caller's `headers` (W3C Trace Context). */
  begin(kind: 'server' | 'internal', name: string, attributes: Attributes, headers?: object): Span;
  /** Sends the spans that still wait, for two seconds at most. */
  close(): Promise<void>;
}

/** Spans are collected for this long and then sent together. Spans that a slow collector does not accept in time are dropped. */
const sendEveryMs = 1_000;
const closeWithinMs = 2_000;

/**
 * Sends spans to the OTLP/HTTP `endpoint`: those of traces that a caller samples, and all traces that begin here.
 * Resolves to null when no endpoint is set. A collector that is down costs spans and nothing else.
 */
export async function startTracing(
  service: string,
  endpoint: string | null,
  onError: (reason: string) => void,
): Promise<Tracing | null> {
  if (endpoint === null) return null;
  const [api, sdk, { OTLPTraceExporter }, { defaultResource, resourceFromAttributes }, core] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/core'),
  ]);
  core.setGlobalErrorHandler((error) => onError(error instanceof Error ? error.message : String(error)));
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` });
  const provider = new sdk.TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.name': service })),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter, scheduledDelayMillis: sendEveryMs })],
  });
  const tracer = provider.getTracer('auditbox');
  const propagator = new core.W3CTraceContextPropagator();
  const kinds = { server: api.SpanKind.SERVER, internal: api.SpanKind.INTERNAL };

  function begin(
    kind: keyof typeof kinds,
    name: string,
    attributes: Attributes,
    parent: typeof api.ROOT_CONTEXT,
    traceparents: readonly string[] = [],
  ): Span {
    const links = traceparents.flatMap((text) => core.parseTraceParent(text) ?? []).map((context) => ({ context }));
    const span = tracer.startSpan(name, { kind: kinds[kind], attributes, links }, parent);
    const { traceId, spanId } = span.spanContext();
    return {
      traceparent: span.isRecording() ? `00-${traceId}-${spanId}-01` : undefined,
      child: (childName, childAttributes, childLinks) =>
        begin('internal', childName, childAttributes, api.trace.setSpan(parent, span), childLinks),
      end({ name: newName, attributes: more = {}, failure }) {
        if (newName !== undefined) span.updateName(newName);
        span.setAttributes(more);
        if (failure !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: failure });
        span.end();
      },
    };
  }

  return {
    begin: (kind, name, attributes, headers = {}) =>
      begin(kind, name, attributes, propagator.extract(api.ROOT_CONTEXT, headers, api.defaultTextMapGetter)),
    close: () =>
      within(
        closeWithinMs,
        provider.shutdown().catch(() => {}),
        () => {},
      ),
  };
}
