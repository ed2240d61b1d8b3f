//! Metrics and traces through OpenTelemetry, logs through tracing.
//!
//! Every message carries its trace context whether or not anybody collects; spans are made only where an OTLP endpoint is
//! set: one a published message, from its cause's to its commit, so a trace is the document's whole way.

use std::{
    io::IsTerminal,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jifen_kernel::ids::instant_of;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    metrics::{Counter, Gauge, Histogram, MeterProvider},
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor},
};

use crate::{Ctx, outbox::Commit, trace::TraceContext};

/// Where metrics and traces go. Clones share it.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    registry: prometheus::Registry,
    /// Keeps the instruments alive.
    _provider: SdkMeterProvider,
    messages: Counter<u64>,
    batch_size: Histogram<u64>,
    transaction: Histogram<f64>,
    gauges: Gauge<i64>,
    spans: Option<BatchSpanProcessor>,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Telemetry(traces: {})", self.traces())
    }
}

impl Telemetry {
    /// Metrics always; traces to `otlp_endpoint` (`http://host:4318/v1/traces`) if given.
    pub fn start(otlp_endpoint: Option<&str>) -> Result<Self, String> {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().map_err(|e| e.to_string())?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let meter = provider.meter("jifen");
        let spans = otlp_endpoint
            .map(|endpoint| {
                let exporter =
                    opentelemetry_otlp::SpanExporter::builder().with_http().with_endpoint(endpoint).build().map_err(|e| e.to_string())?;
                let mut processor = BatchSpanProcessor::builder(exporter).build();
                processor.set_resource(&Resource::builder().with_service_name("jifen").build());
                Ok::<_, String>(processor)
            })
            .transpose()?;
        Ok(Self(Arc::new(Inner {
            messages: meter.u64_counter("jifen_messages").with_description("messages by fate").build(),
            batch_size: meter
                .u64_histogram("jifen_batch_messages")
                .with_description("messages or requests in one transaction")
                .with_boundaries(vec![1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0])
                .build(),
            transaction: meter
                .f64_histogram("jifen_transaction_seconds")
                .with_description("from BEGIN to COMMIT, decisions included")
                .with_boundaries(vec![0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0])
                .build(),
            gauges: meter.i64_gauge("jifen_state").with_description("what is waiting, by name").build(),
            registry,
            _provider: provider,
            spans,
        })))
    }

    /// True if somebody collects traces.
    pub fn traces(&self) -> bool {
        self.0.spans.is_some()
    }

    /// The metrics as Prometheus text.
    pub fn render(&self) -> String {
        prometheus::TextEncoder::new().encode_to_string(&self.0.registry.gather()).unwrap_or_else(|e| format!("# {e}\n"))
    }

    pub(crate) fn count(&self, fate: &'static str, service: &'static str, consumer: &str, messages: usize) {
        if messages > 0 {
            let labels = [KeyValue::new("fate", fate), KeyValue::new("service", service), KeyValue::new("consumer", consumer.to_owned())];
            self.0.messages.add(u64::try_from(messages).unwrap_or(u64::MAX), &labels);
        }
    }

    pub(crate) fn gauge(&self, name: &'static str, service: &'static str, consumer: &str, value: i64) {
        let labels = [KeyValue::new("name", name), KeyValue::new("service", service), KeyValue::new("consumer", consumer.to_owned())];
        self.0.gauges.record(value, &labels);
    }

    pub(crate) fn batch(&self, service: &'static str, consumer: &'static str, messages: usize, took: Duration) {
        let labels = [KeyValue::new("service", service), KeyValue::new("consumer", consumer)];
        self.0.batch_size.record(u64::try_from(messages).unwrap_or(u64::MAX), &labels);
        self.0.transaction.record(took.as_secs_f64(), &labels);
    }

    /// Records a span for each message of a commit, if its trace is collected.
    pub(crate) fn spans(&self, service: &'static str, consumer: &'static str, commit: &Commit) {
        let Some(processor) = &self.0.spans else { return };
        for row in &commit.rows {
            let Some((trace, parent)) = row.trace else { continue };
            if !trace.sampled {
                continue;
            }
            let start: SystemTime = instant_of(row.id).map_or(SystemTime::UNIX_EPOCH, SystemTime::from);
            processor.on_end(SpanData {
                span_context: context_of(trace, false),
                parent_span_id: parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.span_id)),
                parent_span_is_remote: true,
                span_kind: SpanKind::Producer,
                name: format!("publish {}", row.subject.rsplit_once('.').map_or(row.subject.as_str(), |(template, _)| template)).into(),
                start_time: start,
                end_time: start,
                attributes: vec![
                    KeyValue::new("messaging.system", "nats"),
                    KeyValue::new("messaging.operation.name", "publish"),
                    KeyValue::new("messaging.destination.name", row.subject.clone()),
                    KeyValue::new("messaging.message.id", row.id.to_string()),
                    KeyValue::new("messaging.consumer.group.name", consumer),
                    KeyValue::new("jifen.service", service),
                ],
                dropped_attributes_count: 0,
                events: SpanEvents::default(),
                links: SpanLinks::default(),
                status: Status::Unset,
                instrumentation_scope: InstrumentationScope::builder("jifen").build(),
            });
        }
    }

    /// Sends what is collected and ends.
    pub fn stop(&self) {
        if let Some(processor) = &self.0.spans
            && let Err(error) = processor.shutdown_with_timeout(Duration::from_secs(2))
        {
            tracing::debug!(%error, "traces were not sent");
        }
    }
}

fn context_of(trace: TraceContext, remote: bool) -> SpanContext {
    SpanContext::new(TraceId::from_bytes(trace.trace_id), SpanId::from_bytes(trace.span_id), TraceFlags::SAMPLED, remote, TraceState::NONE)
}

impl Ctx {
    /// Counts what a service wants seen beside its messages: `jifen_messages` with this fate, under the name of `what`
    /// (a job, a handler) where a message's consumer stands.
    pub fn count(&self, fate: &'static str, what: &str, count: usize) {
        self.telemetry.count(fate, self.service, what, count);
    }
}

/// Sets logging up for the process: `filter` as in `info,sqlx=warn`; `json` for machines.
pub fn start_logging(filter: &str, json: bool) -> Result<(), String> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|e| format!("log filter {filter:?}: {e}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    if json { builder.json().try_init() } else { builder.with_target(false).try_init() }.map_err(|e| e.to_string())
}
