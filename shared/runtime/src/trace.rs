//! W3C trace context: one trace from a store's document to its message, whether or not anybody collects it.

use jifen_kernel::Ids;

/// A place in a trace: what `traceparent` carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The whole trace.
    pub trace_id: [u8; 16],
    /// The step.
    pub span_id: [u8; 8],
    /// Recorded by somebody.
    pub sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`; anything malformed is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let mut context = Self { trace_id: [0; 16], span_id: [0; 8], sampled: false };
        hex::decode_to_slice(trace, &mut context.trace_id).ok()?;
        hex::decode_to_slice(span, &mut context.span_id).ok()?;
        let flags = u8::from_str_radix(flags.get(..2)?, 16).ok()?;
        context.sampled = flags & 1 == 1;
        let valid = version.len() == 2 && version != "ff" && context.trace_id != [0; 16] && context.span_id != [0; 8];
        valid.then_some(context)
    }

    /// The start of a new trace.
    pub fn root(ids: &Ids, sampled: bool) -> Self {
        let mut trace_id = [0; 16];
        ids.fill(&mut trace_id);
        Self { trace_id, span_id: [0; 8], sampled }.child(ids)
    }

    /// The next step of the same trace.
    pub fn child(self, ids: &Ids) -> Self {
        let mut span_id = [0; 8];
        ids.fill(&mut span_id);
        Self { span_id, ..self }
    }

    /// The trace's id, hex.
    pub fn trace_id_hex(self) -> String {
        hex::encode(self.trace_id)
    }
}

impl std::fmt::Display for TraceContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "00-{}-{}-{:02x}", hex::encode(self.trace_id), hex::encode(self.span_id), u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_read_passed_on_or_ignored() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(text).expect("context");
        assert_eq!(context.to_string(), text);
        let child = context.child(&Ids::seeded(1));
        assert_eq!(child.trace_id, context.trace_id);
        assert_ne!(child.span_id, context.span_id);
        for bad in ["", "00-0-0-0", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "zz", "00-4bf92f3577b34da6a3ce929d0e0e4736"]
        {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
