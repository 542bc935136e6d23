import { setTimeout as delay } from 'node:timers/promises';

/*
 * Traces by OpenTelemetry. Its packages are loaded only when there is somewhere to send traces to: they take as long to
 * load as the rest of a process.
 */

type Attributes = Record<string, string | number | boolean>;

/** A piece of work, from when it began to `end`. */
export interface Span {
  /** Names it for others (W3C Trace Context, 55 characters); undefined when it is not sampled, so that nobody would find it. */
  readonly traceparent: string | undefined;
  /** `links` are the `traceparent`s of spans that led to it; what is none is left out. */
  child(name: string, attributes: Attributes, links?: readonly string[]): Span;
  /** `name` replaces the one that it began with; `failure` says in a few words what went wrong, if anything did. */
  end(about: { name?: string; attributes?: Attributes; failure?: string }): void;
}

export interface Tracing {
  /** Begins a trace, or goes on with the one that a caller's `headers` name (W3C Trace Context). */
  begin(kind: 'server' | 'internal', name: string, attributes: Attributes, headers?: object): Span;
  /** Sends what is left, for two seconds at most. */
  close(): Promise<void>;
}

/** Spans wait this long for company; those that a slow collector does not take in time are dropped. */
const sendEveryMs = 1_000;
const closeWithinMs = 2_000;

/**
 * Sends spans to the OTLP/HTTP `endpoint`, all of those that a caller samples and all traces that begin here; null when
 * there is none. A collector that is down costs spans and nothing else.
 */
export async function startTracing(
  service: string,
  endpoint: string | undefined,
  onFault: (fault: string) => void,
): Promise<Tracing | null> {
  if (endpoint === undefined) return null;
  const [api, sdk, { OTLPTraceExporter }, { defaultResource, resourceFromAttributes }, core] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/core'),
  ]);
  core.setGlobalErrorHandler((error) => onFault(error instanceof Error ? error.message : String(error)));
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
      child: (childName, about, led) => begin('internal', childName, about, api.trace.setSpan(parent, span), led),
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
    close: async () => {
      await Promise.race([provider.shutdown().catch(() => {}), delay(closeWithinMs, undefined, { ref: false })]);
    },
  };
}
