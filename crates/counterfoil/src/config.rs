//! Settings: a TOML file, every one of which an environment variable may override, and defaults for the rest.
//!
//! The variable of `[section] key` is `COUNTERFOIL_SECTION_KEY`. `counterfoil config sample` prints all settings with
//! what they mean; `counterfoil config check` explains what is wrong with a file, by line.

mod buckets;
mod custodian;
mod places;
mod secured;

use std::collections::BTreeMap;
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
        /// Directory that remembers, outside the data, how far each ledger has come, so that an older copy restored by mistake is refused; `none` for no memory; when empty, `counterfoil` in `$XDG_STATE_HOME` or in `$HOME/.local/state`.
        state: String = String::new();
        /// Address and port to listen on.
        listen: String = "127.0.0.1:8600".into();
        /// How the server is reached from outside, for sign-in links and passkeys; the listening address when empty.
        public_url: String = String::new();
        /// Whether a proxy in front of this server speaks TLS for it; without that and without a certificate of its own, only loopback addresses are listened on.
        behind_proxy: bool = false;
        /// Seconds that requests under way may take to end at shutdown.
        drain_seconds: u64 = 30;
    }
    /// TLS of the listener.
    tls Tls {
        /// PEM file with the certificate and its chain; read again when it changes.
        certificate: String = String::new();
        /// PEM file with the certificate's private key; read again when it changes.
        key: String = String::new();
        /// PEM file with the authorities that vouch for clients' certificates; when empty, clients are asked for none.
        client_ca: String = String::new();
        /// Address and port without TLS, such as 0.0.0.0:80, that sends browsers on to the one with TLS; none when empty.
        redirect_from: String = String::new();
    }
    /// Certificates that an authority gives by ACME (RFC 8555), instead of files.
    acme Acme {
        /// The authority's directory, such as `https://acme-v02.api.letsencrypt.org/directory`; nobody is asked for certificates when empty.
        directory: String = String::new();
        /// Names that the certificate is for, such as counterfoil.example.com; the authority must reach this server's listener at port 443 of each.
        domains: Vec<String> = Vec::new();
        /// E-mail address that the authority may write to; none when empty.
        contact: String = String::new();
        /// Whether you agree to the authority's terms of service; without that, no account is asked for.
        terms_agreed: bool = false;
        /// PEM file with authorities to believe when talking to its directory, beside the public ones.
        ca: String = String::new();
        /// Identifier of the key that binds the account to one that the authority has already (external account binding); none when empty.
        eab_kid: String = String::new();
        /// File with that key in base64url, as the authority gave it; it must be readable by its owner only.
        eab_key_file: String = String::new();
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
        /// The region that it is in with its data, as org.toml declares regions; not known when empty.
        region: String = String::new();
    }
    /// Who keeps the root key, which opens all that is sealed.
    custodian Custodian {
        /// `file` for `root.key` in the data directory, `transit` for OpenBao or HashiCorp Vault, `pkcs11` for a device.
        kind: String = "file".into();
        /// Seconds for which unwrapped keys still serve while a custodian that is no file cannot be reached; then nothing is sealed or opened until it is back.
        grace_seconds: u64 = 3600;
        /// File with the passphrase that the root key file is under; it must be readable by its owner only. Set by `counterfoil encryption passphrase`.
        passphrase_file: String = String::new();
        /// Environment variable with that passphrase, when it is in no file.
        passphrase_env: String = String::new();
        /// Address of the OpenBao or Vault server, such as `https://bao.example.com:8200`.
        address: String = String::new();
        /// Where its Transit engine is mounted.
        mount: String = "transit".into();
        /// Name of the root key in the Transit engine, or its label in the device, where `.1`, `.2` and so on follow.
        key: String = "counterfoil".into();
        /// Namespace of the server; none when empty.
        namespace: String = String::new();
        /// File with the token; it must be readable by its owner only, and is read anew for each request.
        token_file: String = String::new();
        /// Environment variable with the token, when it is in no file.
        token_env: String = String::new();
        /// PEM file with the authorities to believe about the server, instead of the public ones.
        ca_file: String = String::new();
        /// PKCS#11 library of the device, with its whole path.
        module: String = String::new();
        /// Label of the token in the device; when empty, `slot` says which one it is.
        token_label: String = String::new();
        /// Number of the token's slot, when no label is given.
        slot: u64 = 0;
        /// File with the PIN of the token's user; it must be readable by its owner only.
        pin_file: String = String::new();
        /// Environment variable with that PIN, when it is in no file.
        pin_env: String = String::new();
    }
    /// A bucket with object lock, for copies of what must not change.
    write_once WriteOnce {
        /// Name of the bucket; nothing is copied when empty.
        bucket: String = String::new();
        /// Address of the S3 server, such as `https://s3.eu-central-1.amazonaws.com`; the bucket goes into the path.
        endpoint: String = String::new();
        /// Its region.
        region: String = "us-east-1".into();
        /// The region that the bucket lies in, as org.toml declares regions; not known when empty.
        located: String = String::new();
        /// What the names of all objects begin with, such as `counterfoil/`; a bucket that holds nothing else needs none.
        prefix: String = String::new();
        /// `compliance`: nobody can lift a lock; `governance`: whoever holds a right of their own can.
        mode: String = "compliance".into();
        /// Days that objects are locked for; the organisation's `retention_days` when 0. What is shorter fails AI-LG-02, and is for trying out.
        lock_days: u32 = 0;
        /// Public name of the key that signs requests.
        access_key: String = String::new();
        /// File with its secret; it must be readable by its owner only, and is read anew for each request.
        secret_key_file: String = String::new();
        /// Environment variable with that secret, when it is in no file.
        secret_key_env: String = String::new();
        /// PEM file with the authorities to believe about the server, instead of the public ones.
        ca_file: String = String::new();
    }
    /// An ordinary bucket that data sets and artifacts are kept in, encrypted, instead of the data directory.
    objects Objects {
        /// Name of the bucket, which must have no object lock; objects are files in the data directory when empty.
        bucket: String = String::new();
        /// Address of the S3 server, such as `https://s3.eu-central-1.amazonaws.com`; the bucket goes into the path.
        endpoint: String = String::new();
        /// Its region.
        region: String = "us-east-1".into();
        /// The region that the bucket lies in, as org.toml declares regions; not known when empty.
        located: String = String::new();
        /// What the names of all objects begin with, such as `counterfoil/`; nothing else may be kept below it.
        prefix: String = String::new();
        /// Public name of the key that signs requests.
        access_key: String = String::new();
        /// File with its secret; it must be readable by its owner only, and is read anew for each request.
        secret_key_file: String = String::new();
        /// Environment variable with that secret, when it is in no file.
        secret_key_env: String = String::new();
        /// PEM file with the authorities to believe about the server, instead of the public ones.
        ca_file: String = String::new();
    }
    /// How long people stay signed in.
    sessions Sessions {
        /// Minutes that a session may lie idle.
        idle_minutes: u64 = 30;
        /// Hours that a session lasts, however much it is used; at most 168.
        absolute_hours: u64 = 12;
    }
    /// Doors by which people come in.
    signin Signin {
        /// Header in which a proxy in front of the server names its client's address, such as x-forwarded-for; empty when there is no such proxy, for clients could write it themselves.
        address_header: String = String::new();
        /// Hours that a key lives which `counterfoil login` gets.
        login_hours: u64 = 8;
    }
    /// The company's OpenID Connect provider.
    oidc Oidc {
        /// Its issuer, exactly as it writes it, such as `https://id.example.com`; empty for no provider.
        issuer: String = String::new();
        /// What it knows Counterfoil as.
        client_id: String = String::new();
        /// File with the client's secret; it must be readable by its owner only.
        client_secret_file: String = String::new();
        /// Environment variable with the client's secret, when it is in no file.
        client_secret_env: String = String::new();
        /// What people call the provider; the button on the sign-in page says it.
        label: String = "the company's account".into();
        /// What is asked for.
        scopes: Vec<String> = vec!["openid".into(), "profile".into(), "email".into()];
        /// Claim that lists the groups of a person.
        groups_claim: String = "groups".into();
        /// Seconds that its clock and ours may be apart.
        clock_skew_seconds: u64 = 60;
        /// Domains of verified e-mail addresses that may come in; all when empty.
        email_domains: Vec<String> = Vec::new();
        /// Whether somebody whom nobody registered here is registered when they first come.
        register: bool = false;
        /// Hosts beside the issuer's that its discovery document may name, such as oauth2.googleapis.com.
        hosts: Vec<String> = Vec::new();
        /// File with certificates of authorities (PEM) to trust for it instead of the public ones.
        ca_file: String = String::new();
    }
    /// Issuers whose tokens programs exchange for keys; rules in org.toml say which tokens are believed.
    workload Workload {
        /// Hosts that may be asked for the keys of issuers, such as token.actions.githubusercontent.com or gitlab.example.com; without any, no token is exchanged.
        hosts: Vec<String> = Vec::new();
        /// File with certificates of authorities (PEM) to trust for them instead of the public ones.
        ca_file: String = String::new();
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
        /// Connections open at once; more wait to be accepted.
        connections: usize = 4096;
        /// Seconds that one streamed answer may take in all.
        stream_seconds: u64 = 1800;
        /// Values in an hour for which one person or program may have tokens made in one scope: whoever tries all values that there are confirms a guess.
        tokens_an_hour: u64 = 1_000_000;
        /// Bytes of memory that one SQL query may use.
        sql_memory_bytes: usize = 1 << 30;
        /// Seconds that one SQL query may take.
        sql_seconds: u64 = 60;
    }
    /// Bounds of what may be declared as a provider.
    providers Providers {
        /// Environment variables of the server that may hold credentials of providers; one * in each stands for anything.
        credential_env: Vec<String> = vec!["COUNTERFOIL_PROVIDER_*".into(), "*_API_KEY".into()];
        /// Hosts of providers that may have private addresses, such as *.internal or 10.0.0.7; link-local and metadata addresses are refused always.
        private_hosts: Vec<String> = Vec::new();
    }
    /// Who else keeps the ledger honest.
    witnesses Witnesses {
        /// Submission prefixes of C2SP tlog-witness servers.
        urls: Vec<String> = Vec::new();
        /// File with a C2SP tlog-policy that names the witnesses and the quorum.
        policy: String = String::new();
        /// PEM file with authorities to believe when talking to witnesses, beside the public ones.
        ca: String = String::new();
    }
    /// A program that is told what waits for people.
    notify_webhook NotifyWebhook {
        /// Where messages are posted, at https, or at http on this machine; nowhere when empty.
        url: String = String::new();
        /// File with the secret that signs messages, whsec_ and 24 to 64 bytes in Base64; it must be readable by its owner only.
        secret_file: String = String::new();
        /// Environment variable with that secret, when it is in no file.
        secret_env: String = String::new();
        /// PEM file with authorities to believe when posting messages, beside the public ones.
        ca_file: String = String::new();
        /// How often a message that is refused is tried before it is given up; tries while nobody is there do not count.
        attempts: u64 = 8;
    }
    /// Mails to people about what waits for them.
    notify_smtp NotifySmtp {
        /// Mail server that mails are handed to, such as mail.example.com; none are sent when empty.
        host: String = String::new();
        /// Its port.
        port: u16 = 587;
        /// Address that mails come from.
        from: String = String::new();
        /// How connections are secured: `starttls`, `tls` from the first byte, or `none`, which is for this machine only.
        tls: String = "starttls".into();
        /// Who signs in there; nobody when empty.
        username: String = String::new();
        /// File with their password; it must be readable by its owner only.
        password_file: String = String::new();
        /// Environment variable with their password, when it is in no file.
        password_env: String = String::new();
        /// PEM file with authorities to believe when talking to the mail server, beside the public ones.
        ca_file: String = String::new();
        /// How often a mail that is refused is tried before it is given up; tries while the server takes none do not count.
        attempts: u64 = 8;
    }
    /// What the server says about itself.
    telemetry Telemetry {
        /// Which messages are logged, as a `tracing` filter.
        filter: String = "info".into();
        /// `text` or `json`.
        format: String = "text".into();
    }
}

/// The most requests and connections at once.
const MAX_AT_ONCE: usize = 1 << 24;

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
    /// A value makes no sense that neither the file nor a variable gave.
    #[error("`{setting}`: {why}")]
    Value {
        /// Which setting.
        setting: String,
        /// Why.
        why: String,
    },
}

/// A setting whose value makes no sense: section, key, and why.
pub type Wrong = (&'static str, &'static str, String);

impl Config {
    /// Reads the file, if there is one, then the environment.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(path: Option<&Path>, env: &Environment) -> Result<Self, ConfigError> {
        Self::read(path, env, Self::check)
    }

    /// As [`Self::load`], and looks at what a server needs besides: certificates, and whether it may be reached like that.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load_to_serve(path: Option<&Path>, env: &Environment) -> Result<Self, ConfigError> {
        Self::read(path, env, |config| {
            config.check()?;
            config.check_tls()?;
            config.check_custodian_secrets()?;
            config.check_bucket_secrets()?;
            crate::notify::check_files(config)
        })
    }

    fn read(
        path: Option<&Path>,
        env: &Environment,
        check: impl Fn(&Self) -> Result<(), Wrong>,
    ) -> Result<Self, ConfigError> {
        known(env)?;
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
        let mut config = config;
        for (section, key, _) in SETTINGS {
            let variable = variable(section, key);
            let Some(value) = env.get(&variable) else { continue };
            let table = merged.get_mut(*section).and_then(toml::Value::as_table_mut).expect("every section is there");
            let slot = table.get_mut(*key).expect("every key is there");
            let read = read_value(slot, value).map(|value| *slot = value);
            // One at a time, so that a number that is too large is laid to its variable.
            let read = read.and_then(|()| merged.clone().try_into().map_err(|e: toml::de::Error| plainly(e.message())));
            config = read.map_err(|why| ConfigError::Variable { variable, why })?;
        }
        let wrong = |(section, key, why): Wrong| match (env.contains_key(&variable(section, key)), path) {
            (true, _) => ConfigError::Variable { variable: variable(section, key), why },
            (false, Some(_)) => at_value(&name, &text, section, key, why),
            (false, None) => ConfigError::Value { setting: format!("{section}.{key}"), why },
        };
        check(&config).map_err(wrong)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Wrong> {
        let wrong = |section, key, why: String| Err((section, key, why));
        if self.server.listen.parse::<std::net::SocketAddr>().is_err() {
            let why = format!("`{}` is not an address and port such as `127.0.0.1:8600`", self.server.listen);
            return wrong("server", "listen", why);
        }
        for (section, key, region) in [
            ("node", "region", &self.node.region),
            ("write_once", "located", &self.write_once.located),
            ("objects", "located", &self.objects.located),
        ] {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
            if region.len() > 63 || !region.chars().all(plain) || region.starts_with(['.', '_', '-']) {
                let why = format!("`{region}` is not the code of a region, such as `au-syd`");
                return wrong(section, key, why);
            }
        }
        if !matches!(self.telemetry.format.as_str(), "text" | "json") {
            let why = format!("`{}` is neither `text` nor `json`", self.telemetry.format);
            return wrong("telemetry", "format", why);
        }
        for (section, key, zero) in [
            ("records", "roll_records", self.records.roll_records == 0),
            ("records", "roll_seconds", self.records.roll_seconds == 0),
            ("sessions", "idle_minutes", self.sessions.idle_minutes == 0),
            ("sessions", "absolute_hours", self.sessions.absolute_hours == 0),
            ("signin", "login_hours", self.signin.login_hours == 0),
            ("limits", "concurrent", self.limits.concurrent == 0),
            ("limits", "connections", self.limits.connections == 0),
            ("limits", "request_bytes", self.limits.request_bytes == 0),
            ("limits", "response_bytes", self.limits.response_bytes == 0),
            ("limits", "sql_memory_bytes", self.limits.sql_memory_bytes == 0),
            ("limits", "sql_seconds", self.limits.sql_seconds == 0),
            ("records", "roll_bytes", self.records.roll_bytes == 0),
        ] {
            if zero {
                return wrong(section, key, "zero would stop everything: give at least 1".into());
            }
        }
        for (key, at_once) in [("concurrent", self.limits.concurrent), ("connections", self.limits.connections)] {
            if at_once > MAX_AT_ONCE {
                return wrong("limits", key, format!("no machine has {at_once} at once: give up to {MAX_AT_ONCE}"));
            }
        }
        if self.sessions.absolute_hours > 168 {
            return wrong("sessions", "absolute_hours", "a session lasts a week at most: give up to 168".into());
        }
        self.check_oidc()?;
        self.check_custodian()?;
        self.check_buckets()?;
        crate::notify::check(self)?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        let name = &self.node.name;
        if name.is_empty()
            || name.len() > 63
            || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !name.chars().all(plain)
        {
            let why = format!("`{name}` is not a name: use up to 63 of a-z, 0-9, `.`, `_` and `-`");
            return wrong("node", "name", why);
        }
        let policy = &self.witnesses.policy;
        if !self.witnesses.urls.is_empty() && !Path::new(policy).is_file() {
            let why = format!("`{policy}` is not a file: name the policy that says which witnesses to believe");
            return wrong("witnesses", "policy", why);
        }
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.telemetry.filter) {
            let why = format!("`{}` is not a filter: {error}", self.telemetry.filter);
            return wrong("telemetry", "filter", why);
        }
        if self.organisation.name.trim().is_empty() {
            return wrong("organisation", "name", "it must not be empty".into());
        }
        Ok(())
    }

    fn check_oidc(&self) -> Result<(), Wrong> {
        let oidc = &self.oidc;
        let wrong = |key, why: String| Err(("oidc", key, why));
        if oidc.issuer.is_empty() {
            return Ok(());
        }
        let host = |scheme: &str| oidc.issuer.strip_prefix(scheme).and_then(|rest| rest.split(['/', ':']).next());
        let local = host("http://").is_some_and(|host| matches!(host, "localhost" | "127.0.0.1"));
        if (!local && host("https://").is_none_or(str::is_empty)) || oidc.issuer.contains(['?', '#', '@', ' ']) {
            let why = format!("`{}` is not an address at https, nor on this machine", oidc.issuer);
            return wrong("issuer", why);
        }
        if oidc.client_id.is_empty() {
            return wrong("client_id", "name what the provider knows Counterfoil as".into());
        }
        if !oidc.client_secret_file.is_empty() && !oidc.client_secret_env.is_empty() {
            return wrong("client_secret_env", "the secret is in a file already: name one place".into());
        }
        if oidc.clock_skew_seconds > 300 {
            return wrong("clock_skew_seconds", "more than 300 s would let old tokens in: set the clocks".into());
        }
        Ok(())
    }

    /// The directory that remembers how far ledgers have come; none when that is not wanted, or when there is no home
    /// to keep it in. Always absolute, for messages that name it are read elsewhere.
    pub fn state_dir(&self, env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
        let absolute = |variable| env(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        match self.server.state.as_str() {
            "none" => None,
            "" => {
                let homes = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
                homes.map(|state| state.join("counterfoil"))
            }
            dir => Some(std::path::absolute(dir).unwrap_or_else(|_| dir.into())),
        }
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

/// Variables by name.
pub type Environment = BTreeMap<String, String>;

/// What begins with this in the environment is ours.
pub const PREFIX: &str = "COUNTERFOIL_";

/// Our variables that are not settings: how commands reach a server.
const NOT_SETTINGS: [&str; 3] = ["COUNTERFOIL_URL", "COUNTERFOIL_TOKEN", "COUNTERFOIL_CA_FILE"];

/// The process's variables that begin with our prefix.
pub fn environment() -> Environment {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).filter(|(n, _)| n.starts_with(PREFIX)).collect()
}

/// Refuses a variable of ours that means nothing: it would be a setting that somebody believes to be in force.
fn known(env: &Environment) -> Result<(), ConfigError> {
    let settings = || SETTINGS.iter().map(|(section, key, _)| variable(section, key));
    for name in env.keys().filter(|name| name.starts_with(PREFIX) && !by_others(name)) {
        if NOT_SETTINGS.contains(&name.as_str()) || settings().any(|setting| setting == *name) {
            continue;
        }
        let all = settings().chain(NOT_SETTINGS.map(str::to_owned));
        let (distance, nearest) = all.map(|known| (distance(name, &known), known)).min().unwrap_or_default();
        let meant = match distance <= (name.len() - PREFIX.len()) / 3 {
            true => format!("did you mean `{nearest}`?"),
            false => "`counterfoil config sample` names all there are.".to_owned(),
        };
        return Err(ConfigError::Variable {
            variable: name.clone(),
            why: format!("there is no such setting: {meant} A variable that is none begins otherwise."),
        });
    }
    Ok(())
}

/// Whether this variable is no setting: a provider's credential, or set by the tests, or by Kubernetes for a service that
/// is called `counterfoil`.
fn by_others(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    rest == "PORT"
        || ["PROVIDER_", "TEST_", "PORT_", "SERVICE_HOST", "SERVICE_PORT"].iter().any(|begin| rest.starts_with(begin))
}

/// How many letters must be put in, left out or changed to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}_{}", section.to_uppercase(), key.to_uppercase())
}

fn read_value(like: &toml::Value, text: &str) -> Result<toml::Value, String> {
    match like {
        toml::Value::Integer(_) => {
            // TOML's whole numbers have a sign, ours do not.
            let number = text.parse::<u64>().ok().and_then(|number| i64::try_from(number).ok());
            number.map(toml::Value::Integer).ok_or_else(|| format!("`{text}` is not a whole number of 0 or more"))
        }
        toml::Value::Boolean(_) => {
            let flag = text.parse::<bool>().map_err(|_| format!("`{text}` is neither `true` nor `false`"))?;
            Ok(toml::Value::Boolean(flag))
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
    at_offset(path, text, error.span().map_or(0, |span| span.start), plainly(error.message()))
}

/// The reason of a TOML error on one line, with what was expected in words instead of the names of Rust's types.
fn plainly(why: &str) -> String {
    let why = why.trim().replace('\n', ", ");
    let Some((before, expected)) = why.rsplit_once("expected ") else { return why };
    let words = match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number of 0 or more",
        "i64" => "a whole number",
        "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" | "path string" => "text in quotes",
        "a sequence" => "a list in square brackets",
        "a map" => "a table of keys and values",
        _ => return why,
    };
    format!("{before}expected {words}")
}

/// Names the place of a setting's value in a file; a default that is wrong with the rest has none.
fn at_value(path: &str, text: &str, section: &str, key: &str, why: String) -> ConfigError {
    type Places = BTreeMap<String, BTreeMap<String, toml::Spanned<toml::Value>>>;
    let places: Places = toml::from_str(text).unwrap_or_default();
    let place = places.get(section).and_then(|section| section.get(key));
    match place {
        Some(value) => at_offset(path, text, value.span().start, format!("`{section}.{key}`: {why}")),
        None => ConfigError::Value { setting: format!("{section}.{key}"), why },
    }
}

fn at_offset(path: &str, text: &str, at: usize, why: String) -> ConfigError {
    let (line, column) = position(text, at);
    ConfigError::Line { path: path.to_owned(), line, column, why }
}

/// The line and the column of an offset in a text, both from 1.
pub fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    (line, before.chars().rev().take_while(|c| *c != '\n').count() + 1)
}

#[cfg(test)]
mod tests;
