//! An S3-compatible store for tests: moto's server, from PyPI, in a folder of the cache.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tools;

/// Version of the server.
const MOTO: &str = "5.2.5";

/// The bucket that tests write to.
const BUCKET: &str = "weir";

/// A running store; it ends with this handle and forgets everything.
pub struct Store {
    process: Child,
    address: String,
}

impl Store {
    /// Starts one on a free port, with an empty bucket.
    pub fn start() -> Result<Self> {
        let package = format!("moto[server,s3]=={MOTO}");
        let python = tools::python("moto", &[&package], "import moto.server")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = File::create(tools::cache().join("moto.log"))?;
        let mut server = Command::new(python);
        server.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let process = server.stdout(log.try_clone()?).stderr(log).spawn();
        let process = process.context("cannot start the object store")?;
        let store = Self { process, address: format!("127.0.0.1:{port}") };
        let start = Instant::now();
        while TcpStream::connect(&store.address).is_err() {
            if start.elapsed() > Duration::from_secs(60) {
                bail!("the object store does not answer; see ~/.cache/weir/moto.log");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        store.create_bucket()?;
        Ok(store)
    }

    fn create_bucket(&self) -> Result<()> {
        let mut connection = TcpStream::connect(&self.address)?;
        write!(
            connection,
            "PUT /{BUCKET} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            self.address
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 200") {
            bail!("the object store makes no bucket: {answer}");
        }
        Ok(())
    }

    /// Value of `WEIR_TEST_S3`.
    pub fn place(&self) -> String {
        format!("http://{}/{BUCKET}", self.address)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
