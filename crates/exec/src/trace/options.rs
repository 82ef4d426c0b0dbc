//! Which tracer is asked for, and how it is configured.

use super::TraceError;
use super::call_tracer::CallTreeConfig;
use super::erc7562::Erc7562Config;
use super::flat::FlatConfig;
use super::prestate::PrestateConfig;
use super::struct_log::StructLogConfig;
use alloy_rpc_types_trace::geth::{CallConfig, FlatCallConfig, GethDebugTracingOptions, GethDefaultTracingOptions};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::time::Duration;

/// Tracers inside one `muxTracer`, at most.
const MUX_TRACERS_MAX: usize = 16;

/// A tracer with its configuration, checked.
#[derive(Clone, Debug)]
pub struct TracerOptions {
    pub(super) kind: TracerKind,
    /// How long the caller is ready to wait.
    pub timeout: Option<Duration>,
}

/// The tracers that there are.
#[derive(Clone, Debug)]
pub(super) enum TracerKind {
    StructLog(StructLogConfig),
    Call(CallTreeConfig),
    CallLegacy,
    FlatCall(FlatConfig),
    Prestate(PrestateConfig),
    FourByte,
    Erc7562(Erc7562Config),
    Noop,
    /// Several at once, by their names.
    Mux(Vec<(String, TracerKind)>),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PrestateFields {
    diff_mode: bool,
    disable_code: bool,
    disable_storage: bool,
    include_empty: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Erc7562Fields {
    with_log: bool,
    ignored_opcodes: Option<Vec<alloy_primitives::U64>>,
}

impl Default for TracerOptions {
    /// The log of every opcode.
    fn default() -> Self {
        Self { kind: TracerKind::StructLog(StructLogConfig::default()), timeout: None }
    }
}

impl TracerOptions {
    /// Checks the options of a request.
    ///
    /// # Errors
    /// When the tracer is not known, or its configuration makes no sense.
    pub fn new(options: GethDebugTracingOptions) -> Result<Self, TraceError> {
        let GethDebugTracingOptions { config, tracer, tracer_config, timeout, .. } = options;
        let name = tracer.as_ref().map_or("", |tracer| tracer.as_str());
        let kind = match name {
            "" => TracerKind::StructLog(struct_log(&config)),
            name => kind(name, tracer_config.into_json())?,
        };
        let timeout = timeout.as_deref().map(duration).transpose()?;
        Ok(Self { kind, timeout })
    }

    /// `callTracer` without logs, as other crates need it for one call.
    pub fn call_tracer(with_log: bool) -> Self {
        Self { kind: TracerKind::Call(CallTreeConfig { with_log, ..CallTreeConfig::default() }), timeout: None }
    }
}

fn struct_log(options: &GethDefaultTracingOptions) -> StructLogConfig {
    StructLogConfig {
        enable_memory: options.is_memory_enabled(),
        disable_stack: !options.is_stack_enabled(),
        disable_storage: !options.is_storage_enabled(),
        enable_return_data: options.is_return_data_enabled(),
        limit: options.limit.unwrap_or(0),
    }
}

fn kind(name: &str, config: Value) -> Result<TracerKind, TraceError> {
    Ok(match name {
        "callTracer" => {
            let CallConfig { only_top_call, with_log, .. } = fields(name, config)?;
            let (only_top_call, with_log) = (only_top_call.unwrap_or_default(), with_log.unwrap_or_default());
            TracerKind::Call(CallTreeConfig { only_top_call, with_log, ..CallTreeConfig::default() })
        }
        "callTracerLegacy" => TracerKind::CallLegacy,
        "flatCallTracer" | "parityTracer" => {
            let is_parity = name == "parityTracer";
            let FlatCallConfig { convert_parity_errors, include_precompiles, .. } = fields(name, config)?;
            TracerKind::FlatCall(FlatConfig {
                convert_parity_errors: is_parity || convert_parity_errors.unwrap_or_default(),
                include_precompiles: is_parity || include_precompiles.unwrap_or_default(),
            })
        }
        "prestateTracer" | "prestateTracerLegacy" => {
            let is_legacy = name == "prestateTracerLegacy";
            let PrestateFields { diff_mode, disable_code, disable_storage, include_empty } = fields(name, config)?;
            if diff_mode && include_empty {
                return Err(invalid(name, "diffMode and includeEmpty together".to_owned()));
            }
            let diff_mode = diff_mode && !is_legacy;
            TracerKind::Prestate(PrestateConfig { diff_mode, disable_code, disable_storage, include_empty, is_legacy })
        }
        "4byteTracer" | "4byteTracerLegacy" => TracerKind::FourByte,
        "erc7562Tracer" => {
            let Erc7562Fields { with_log, ignored_opcodes } = fields(name, config)?;
            let ignored_opcodes =
                ignored_opcodes.map(|opcodes| opcodes.into_iter().filter_map(|op| op.try_into().ok()).collect());
            TracerKind::Erc7562(Erc7562Config { with_log, ignored_opcodes })
        }
        "noopTracer" => TracerKind::Noop,
        "muxTracer" => {
            let tracers: Map<String, Value> = fields(name, config)?;
            if tracers.len() > MUX_TRACERS_MAX {
                return Err(invalid(name, format!("more than {MUX_TRACERS_MAX} tracers")));
            }
            let mut kinds = Vec::with_capacity(tracers.len());
            for (inner, config) in tracers {
                if inner == name {
                    return Err(invalid(name, "a muxTracer inside another".to_owned()));
                }
                let kind = kind(&inner, config)?;
                kinds.push((inner, kind));
            }
            TracerKind::Mux(kinds)
        }
        // A script is long, and its start says which it is.
        script => return Err(TraceError::UnknownTracer { name: script.chars().take(64).collect() }),
    })
}

fn fields<T: DeserializeOwned + Default>(tracer: &str, config: Value) -> Result<T, TraceError> {
    match config {
        Value::Null => Ok(T::default()),
        config => serde_json::from_value(config).map_err(|error| invalid(tracer, error.to_string())),
    }
}

fn invalid(tracer: &str, reason: String) -> TraceError {
    TraceError::Config { tracer: tracer.to_owned(), reason }
}

/// A duration as Go writes it: `300ms`, `1.5h`, `2h45m`.
fn duration(text: &str) -> Result<Duration, TraceError> {
    let malformed = || TraceError::Timeout { text: text.chars().take(64).collect() };
    let mut left = text.trim_start_matches('+');
    let mut seconds = 0.0;
    if left.is_empty() {
        return Err(malformed());
    }
    while !left.is_empty() && left != "0" {
        let digits = left.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(malformed)?;
        let (number, rest) = left.split_at(digits);
        let unit_bytes = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(unit_bytes);
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(malformed()),
        };
        seconds += number.parse::<f64>().map_err(|_| malformed())? * scale;
        left = rest;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(value: Value) -> Result<TracerOptions, TraceError> {
        TracerOptions::new(serde_json::from_value(value).expect("options"))
    }

    #[test]
    fn scripts_are_refused_by_name_and_bad_configurations_by_field() {
        let script = options(json!({"tracer": "{result: function() { return 1 }}"})).expect_err("refused");
        assert!(script.to_string().contains("{result: function()"), "{script}");
        let config = options(json!({"tracer": "callTracer", "tracerConfig": {"withLog": 7}})).expect_err("refused");
        assert!(config.to_string().contains("callTracer"), "{config}");
        let both = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true, "includeEmpty": true}});
        assert!(options(both).is_err());
        let mux = json!({"tracer": "muxTracer", "tracerConfig": {"callTracer": null, "muxTracer": {}}});
        assert!(options(mux).is_err());
        assert!(
            options(json!({"tracer": "muxTracer", "tracerConfig": {"callTracer": null, "4byteTracer": null}})).is_ok()
        );
        assert!(options(json!({"tracer": ""})).is_ok());
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let read = |text: &str| duration(text).ok();
        assert_eq!(read("300ms"), Some(Duration::from_millis(300)));
        assert_eq!(read("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(read("1h2m"), Some(Duration::from_secs(3720)));
        assert_eq!(read("0"), Some(Duration::ZERO));
        for wrong in ["", "5", "s", "5x", "-5s", "1.2.3s", "99999999999999999999999h"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
