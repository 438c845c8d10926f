//! Settings: a TOML file, every one of which an environment variable may override, and defaults for the rest.
//!
//! The variable of `[section] key` is `COUNTERFOIL_SECTION_KEY`. `counterfoil config sample` prints all settings with
//! what they mean; `counterfoil config check` explains what is wrong with a file, by line.

use std::path::{Path, PathBuf};

use serde::Deserialize;

macro_rules! settings {
    ($( $(#[doc = $section_doc:literal])* $section:ident $Section:ident {
        $( $(#[doc = $doc:literal])* $key:ident: $type:ty = $default:expr; )*
    } )*) => {
        /// All settings.
        #[derive(Clone, Debug, Default, Deserialize, serde::Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Config { $( $(#[doc = $section_doc])* pub $section: $Section, )* }

        $(
            $(#[doc = $section_doc])*
            #[derive(Clone, Debug, Deserialize, serde::Serialize)]
            #[serde(deny_unknown_fields, default)]
            pub struct $Section { $( $(#[doc = $doc])* pub $key: $type, )* }

            impl Default for $Section {
                fn default() -> Self { Self { $( $key: $default, )* } }
            }
        )*

        /// Section, key and meaning of each setting, in the order of the sample.
        const SETTINGS: &[(&str, &str, &str)] = &[
            $( $( (stringify!($section), stringify!($key), concat!($($doc),*)), )* )*
        ];
    };
}

settings! {
    /// Where the server listens and keeps its data.
    server Server {
        /// Directory of all data; created when it does not exist.
        data: PathBuf = "counterfoil-data".into();
        /// Address and port to listen on.
        listen: String = "127.0.0.1:8600".into();
        /// How the server is reached from outside, for sign-in links; the listening address when empty.
        public_url: String = String::new();
        /// Seconds that requests under way may take to end at shutdown.
        drain_seconds: u64 = 30;
    }
    /// Whose ledger it is; used when the data directory is made.
    organisation Organisation {
        /// Name of the organisation.
        name: String = "My organisation".into();
        /// Origin of the log, the first line of every checkpoint; unique in the world. Made up when empty.
        origin: String = String::new();
        /// Days that audit records must be kept.
        retention_days: u32 = 2557;
    }
    /// This node.
    node Node {
        /// Its name; records and segments carry it.
        name: String = "n1".into();
    }
    /// Segments of inference records.
    records Records {
        /// Records after which a segment is sealed.
        roll_records: u64 = 65_536;
        /// Bytes of sealed payload after which a segment is sealed.
        roll_bytes: u64 = 64 << 20;
        /// Seconds after which a segment is sealed.
        roll_seconds: u64 = 60;
    }
    /// Bounds of the gateway.
    limits Limits {
        /// Largest request body in bytes.
        request_bytes: usize = 16 << 20;
        /// Largest response body in bytes that is kept and passed on.
        response_bytes: usize = 16 << 20;
        /// Requests under way at once; more are answered 503.
        concurrent: usize = 1024;
        /// Seconds that one streamed answer may take in all.
        stream_seconds: u64 = 1800;
        /// Bytes of memory that one SQL query may use.
        sql_memory_bytes: usize = 1 << 30;
        /// Seconds that one SQL query may take.
        sql_seconds: u64 = 60;
    }
    /// Who else keeps the ledger honest.
    witnesses Witnesses {
        /// Submission prefixes of C2SP tlog-witness servers.
        urls: Vec<String> = Vec::new();
        /// File with a C2SP tlog-policy that names the witnesses and the quorum.
        policy: String = String::new();
    }
    /// What the server says about itself.
    telemetry Telemetry {
        /// Which messages are logged, as a `tracing` filter.
        filter: String = "info".into();
        /// `text` or `json`.
        format: String = "text".into();
    }
}

/// What is wrong with the settings.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {why}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
    /// A line of the file is wrong.
    #[error("{path}:{line}:{column}: {why}")]
    Line {
        /// Which file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// An environment variable is wrong.
    #[error("environment variable `{variable}`: {why}")]
    Variable {
        /// Which variable.
        variable: String,
        /// What is wrong with it.
        why: String,
    },
    /// A value makes no sense.
    #[error("`{setting}`: {why}")]
    Value {
        /// Which setting.
        setting: &'static str,
        /// Why.
        why: String,
    },
}

impl Config {
    /// Reads the file, if there is one, then the environment.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(path: Option<&Path>, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let (name, text) = match path {
            None => (String::new(), String::new()),
            Some(path) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path)
                    .map_err(|e| ConfigError::Unreadable { path: name.clone(), why: e.to_string() })?;
                (name, text)
            }
        };
        let config: Self = toml::from_str(&text).map_err(|e| at_line(&name, &text, &e))?;
        let mut merged = toml::Table::try_from(&config).expect("settings are TOML");
        for (section, key, _) in SETTINGS {
            let variable = variable(section, key);
            let Some(value) = env(&variable) else { continue };
            let table = merged.get_mut(*section).and_then(toml::Value::as_table_mut).expect("every section is there");
            let slot = table.get_mut(*key).expect("every key is there");
            *slot = read_value(slot, &value).map_err(|why| ConfigError::Variable { variable, why })?;
        }
        let config: Self = merged
            .try_into()
            .map_err(|e| ConfigError::Variable { variable: "COUNTERFOIL_*".into(), why: e.to_string() })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |setting, why: String| Err(ConfigError::Value { setting, why });
        if self.server.listen.parse::<std::net::SocketAddr>().is_err() {
            let why = format!("`{}` is not an address and port such as `127.0.0.1:8600`", self.server.listen);
            return wrong("server.listen", why);
        }
        if !matches!(self.telemetry.format.as_str(), "text" | "json") {
            return wrong("telemetry.format", format!("`{}` is neither `text` nor `json`", self.telemetry.format));
        }
        if self.records.roll_records == 0 || self.records.roll_seconds == 0 || self.limits.concurrent == 0 {
            return wrong("records, limits", "a limit of zero would stop everything: give at least 1".into());
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        let name = &self.node.name;
        if name.is_empty()
            || name.len() > 63
            || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !name.chars().all(plain)
        {
            return wrong("node.name", format!("`{name}` is not a name: use up to 63 of a-z, 0-9, `.`, `_` and `-`"));
        }
        if self.limits.request_bytes == 0 || self.limits.response_bytes == 0 {
            return wrong("limits.request_bytes, limits.response_bytes", "give at least 1".into());
        }
        if !self.witnesses.urls.is_empty() && !std::path::Path::new(&self.witnesses.policy).is_file() {
            let why = format!(
                "`{}` is not a file: name the policy that says which witnesses to believe",
                self.witnesses.policy
            );
            return wrong("witnesses.policy", why);
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.telemetry.filter) {
            return wrong("telemetry.filter", format!("`{}` is not a filter: {error}", self.telemetry.filter));
        }
        if self.organisation.name.trim().is_empty() {
            return wrong("organisation.name", "it must not be empty".into());
        }
        Ok(())
    }

    /// A file with every setting at its default, and what it means.
    pub fn sample() -> String {
        let defaults = toml::Table::try_from(Self::default()).expect("settings are TOML");
        let mut text = String::from("# Every setting of Counterfoil with its default.\n");
        let mut last = "";
        for (section, key, doc) in SETTINGS {
            if *section != last {
                text += &format!("\n[{section}]\n");
                last = section;
            }
            let value = &defaults[*section][*key];
            text += &format!("#{doc} Variable: {}.\n{key} = {value}\n", variable(section, key));
        }
        text
    }
}

fn variable(section: &str, key: &str) -> String {
    format!("COUNTERFOIL_{}_{}", section.to_uppercase(), key.to_uppercase())
}

fn read_value(like: &toml::Value, text: &str) -> Result<toml::Value, String> {
    match like {
        toml::Value::Integer(_) => {
            text.parse().map(toml::Value::Integer).map_err(|_| format!("`{text}` is not a whole number"))
        }
        toml::Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(toml::Value::Array(items.map(|item| toml::Value::String(item.to_owned())).collect()))
        }
        _ => Ok(toml::Value::String(text.to_owned())),
    }
}

/// Turns a TOML error into one with a line, a column and a reason.
pub fn at_line(path: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    ConfigError::Line { path: path.to_owned(), line, column, why: error.message().trim().replace('\n', ", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("counterfoil.toml");
        std::fs::write(&path, text).expect("written");
        (dir, path)
    }

    #[test]
    fn given_the_sample_when_loaded_then_it_is_the_defaults() {
        let (_dir, path) = file(&Config::sample());
        let loaded = Config::load(Some(&path), |_| None).expect("the sample is valid");
        let text = |config: &Config| toml::to_string(config).expect("settings are TOML");
        assert_eq!(text(&loaded), text(&Config::default()));
    }

    #[test]
    fn given_a_wrong_line_when_loaded_then_the_error_names_line_column_and_reason() {
        for (text, line, word) in [
            ("[server]\nlisten = 5\n", 2, "string"),
            ("[server]\ndata = \"d\"\nlisten_on = \"x\"\n", 3, "listen_on"),
            ("[server\n", 1, ""),
            ("[records]\nroll_records = -1\n", 2, "-1"),
        ] {
            let (_dir, path) = file(text);
            match Config::load(Some(&path), |_| None) {
                Err(ConfigError::Line { line: at, why, .. }) => {
                    assert_eq!(at, line, "{text}: {why}");
                    assert!(why.contains(word), "{text}: {why}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn given_environment_variables_when_loaded_then_they_override_the_file_and_nonsense_is_named() {
        let (_dir, path) = file("[server]\nlisten = \"127.0.0.1:1\"\n");
        let env = |variable: &str| match variable {
            "COUNTERFOIL_SERVER_LISTEN" => Some("127.0.0.1:2".to_owned()),
            "COUNTERFOIL_WITNESSES_URLS" => Some("http://a, http://b".to_owned()),
            "COUNTERFOIL_WITNESSES_POLICY" => Some(path.display().to_string()),
            _ => None,
        };
        let config = Config::load(Some(&path), env).expect("valid");
        assert_eq!(config.server.listen, "127.0.0.1:2");
        assert_eq!(config.witnesses.urls, ["http://a", "http://b"]);
        let bad = |variable: &str| (variable == "COUNTERFOIL_LIMITS_CONCURRENT").then(|| "many".to_owned());
        match Config::load(None, bad) {
            Err(ConfigError::Variable { variable, .. }) => assert_eq!(variable, "COUNTERFOIL_LIMITS_CONCURRENT"),
            other => panic!("{other:?}"),
        }
    }
}
