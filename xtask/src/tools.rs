//! What the verbs need beyond cargo, and how to get it on a Debian-like machine.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The root of the checkout.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where builds and downloads are kept between clones.
pub fn cache() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    home.join(".cache").join("weir")
}

/// The build folder: CARGO_TARGET_DIR, or one in the cache.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache().join("target"), PathBuf::from)
}

/// The debug build of the binary.
pub fn weir() -> PathBuf {
    target_dir().join("debug").join("weir")
}

/// The debug build of every program. Asking for examples, of which there are
/// none, turns on the features that only tests need, so that this build and
/// `cargo test --workspace` share their compiled dependencies.
pub fn build() -> Result<()> {
    cargo(&["build", "--workspace", "--bins", "--examples"], &[])
}

/// Runs cargo in the checkout with the shared build folder.
pub fn cargo(args: &[&str], more: &[String]) -> Result<()> {
    let args: Vec<&str> = args.iter().copied().chain(more.iter().map(String::as_str)).collect();
    cargo_with(&args, &[])
}

/// Like [`cargo`], with extra environment variables.
pub fn cargo_with(args: &[&str], env: &[(&str, &OsStr)]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(root()).env("CARGO_TARGET_DIR", target_dir());
    command.envs(env.iter().copied());
    run(&mut command)
}

/// Runs a command to its end; a failure names it.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} failed: {status}");
    }
    Ok(())
}

/// Whether a program answers.
pub fn has(program: &str, argument: &str) -> bool {
    Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n")
}

/// Installs Debian packages, or says how.
pub fn debian(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !is_root() || !has("apt-get", "--version") {
        bail!("missing programs; type: sudo apt-get update && sudo apt-get install -y {list}");
    }
    eprintln!("installing {list}");
    run(Command::new("apt-get").args(["-qq", "update"]).stdout(Stdio::null()))?;
    let mut install = Command::new("apt-get");
    install.args(["-qq", "install", "-y", "--no-install-recommends"]).args(packages);
    run(install.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))
}

/// A C compiler, make and perl, which the Kafka client and its TLS library build with.
pub fn native_build_tools() -> Result<()> {
    let missing: Vec<&str> = [("cc", "gcc"), ("g++", "g++"), ("make", "make"), ("perl", "perl")]
        .into_iter()
        .filter(|(program, _)| !has(program, "--version"))
        .map(|(_, package)| package)
        .collect();
    if missing.is_empty() { Ok(()) } else { debian(&missing) }
}

/// A Python interpreter that can read Paimon tables, in the cache folder.
pub fn python_with_pypaimon() -> Result<PathBuf> {
    python("pypaimon", &["pypaimon==2.1.0"], "import pypaimon")
}

/// A Python interpreter with packages from PyPI, in a folder of the cache;
/// `probe` is a statement that works when they are there.
pub fn python(name: &str, packages: &[&str], probe: &str) -> Result<PathBuf> {
    let venv = cache().join(name);
    let python = venv.join("bin").join("python");
    let works = Command::new(&python)
        .args(["-c", probe])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    if works {
        return Ok(python);
    }
    if !has("python3", "--version") || !venv_works() {
        debian(&["python3", "python3-venv"])?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let mut pip = Command::new(&python);
    run(pip.args(["-m", "pip", "install", "-q"]).args(packages))?;
    Ok(python)
}

fn venv_works() -> bool {
    Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}
