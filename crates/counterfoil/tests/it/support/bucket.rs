//! An S3 server with object lock. It is moto, an imitation of Amazon's by others, all in memory: it keeps locks and
//! conditions, and tells nothing about the real one's rights, nor about its durability.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{World, custodians::secret, eventually, tools};

/// The server; it ends with its owner.
pub struct Buckets {
    python: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Buckets {
    pub const BUCKET: &'static str = "audit-records";
    const SECRET: &'static str = "for-tests-only";

    /// Takes a port; nothing runs yet.
    pub fn new(test: &str) -> Option<Self> {
        let python = tools::python(test, "moto.server")?;
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        Some(Self { python, port, child: None })
    }

    /// Starts it, with a bucket that has object lock, or none.
    #[track_caller]
    pub fn start(&mut self, lock: bool) {
        let port = self.port.to_string();
        let mut command = Command::new(&self.python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("moto is a program"));
        eventually("moto answers", || std::net::TcpStream::connect(("127.0.0.1", self.port)).ok());
        let lock = if lock { "True" } else { "False" };
        self.tell(&format!("s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket={lock})"));
    }

    /// Runs a line of Python with `s3`, Amazon's own client, and `bucket`; what it printed.
    #[track_caller]
    pub fn tell(&self, line: &str) -> String {
        let script = format!(
            "import boto3\ns3 = boto3.client('s3', endpoint_url='http://127.0.0.1:{}', region_name='us-east-1', \
             aws_access_key_id='tests', aws_secret_access_key='{}')\nbucket = '{}'\n{line}\n",
            self.port,
            Self::SECRET,
            Self::BUCKET
        );
        tools::run(Command::new(&self.python).args(["-c", &script])).trim().to_owned()
    }

    /// Names it in the settings of a world.
    pub fn name_in(&self, world: &mut World) {
        let secret = secret(&world.path("bucket-secret"), Self::SECRET);
        for (key, value) in [
            ("BUCKET", Self::BUCKET),
            ("ENDPOINT", &format!("http://127.0.0.1:{}", self.port)),
            ("PREFIX", "bank/"),
            ("ACCESS_KEY", "tests"),
            ("SECRET_KEY_FILE", &secret),
        ] {
            world.set(&format!("COUNTERFOIL_WRITE_ONCE_{key}"), value);
        }
    }

    /// Makes it what clients of S3 find in the environment of a world.
    pub fn as_client_in(&self, world: &mut World) {
        for (key, value) in [
            ("AWS_ENDPOINT_URL_S3", format!("http://127.0.0.1:{}", self.port).as_str()),
            ("AWS_ACCESS_KEY_ID", "tests"),
            ("AWS_SECRET_ACCESS_KEY", Self::SECRET),
            ("AWS_REGION", "us-east-1"),
        ] {
            world.set(key, value);
        }
    }
}

impl Drop for Buckets {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
