//! `counterfoil encryption passphrase`. Passphrases come from files and variables: what stands on a command line can be
//! read by everybody on the machine.

use std::path::PathBuf;

use clap::Args;
use store::{FileCustodian, SecretSource};

use crate::client::Connect;
use crate::output::{self, Failure};

/// What the root key file is under now, and what it is to be under.
#[derive(Args)]
pub struct Passphrase {
    /// File with the passphrase that it is under now; without it and --from-env it is under none
    #[arg(long, conflicts_with = "from_env")]
    from_file: Option<PathBuf>,
    /// Environment variable with the passphrase that it is under now
    #[arg(long)]
    from_env: Option<String>,
    /// Take the passphrase away, instead of setting the one that the settings name in `[custodian]`
    #[arg(long)]
    remove: bool,
}

impl Passphrase {
    pub fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let config = connect.config()?;
        if config.custodian.kind != "file" {
            let kind = &config.custodian.kind;
            return Err(Failure::usage(format!(
                "the custodian is of kind `{kind}`: only a root key file has a passphrase"
            )));
        }
        let to = match self.remove {
            true => SecretSource::None,
            false => config.custodian.passphrase_source(),
        };
        if !self.remove && to == SecretSource::None {
            let why =
                "name the new passphrase in `custodian.passphrase_file` or `custodian.passphrase_env`, or say --remove";
            return Err(Failure::usage(why));
        }
        let data = &config.server.data;
        let _lock = super::hold(data)?;
        let unusable = |e: store::CustodianError| Failure::new(5, "keys", e.to_string());
        let from = self.from().read("the present passphrase").map_err(unusable)?;
        let to = to.read("the new passphrase").map_err(unusable)?;
        let path = data.join(store::custodian::ROOT_KEY);
        let custodian = FileCustodian::open_under(&path, from).map_err(unusable)?;
        custodian.set_passphrase(to).map_err(unusable)?;
        let (sealed, file) = (!self.remove, path.display().to_string());
        if json {
            return output::json(&serde_json::json!({"file": file, "passphrase": sealed}));
        }
        match sealed {
            true => output::line(format!(
                "`{file}` is under the passphrase of the settings now. Copies made before are not: destroy them."
            )),
            false => output::line(format!(
                "`{file}` is under no passphrase now: take `custodian.passphrase_file` and `custodian.passphrase_env` away."
            )),
        }
    }

    fn from(&self) -> SecretSource {
        match (&self.from_file, &self.from_env) {
            (Some(file), _) => SecretSource::File(file.clone()),
            (None, Some(variable)) => SecretSource::Env(variable.clone()),
            (None, None) => SecretSource::None,
        }
    }
}
