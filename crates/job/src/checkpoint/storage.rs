//! What checkpoints need of a file system: whole objects, atomically.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_core::{Error, Options, Result};
use weir_lake::objects::{Objects, is_object_uri};

use super::staged::{Staged, staged_name};

/// Writes an object's content.
pub type Fill<'a> = &'a mut dyn FnMut(&mut dyn Write) -> Result<()>;

/// Objects under names with `/`, all below one root.
pub trait Storage: Send + Sync {
    /// Writes an object durably, replacing an earlier one at once.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()>;
    /// Like `put`, with what `fill` writes; may ask for it more than once.
    fn put_with(&self, name: &str, fill: Fill<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        fill(&mut bytes)?;
        self.put(name, &bytes)
    }
    /// Where an object lies, if it is a local file.
    fn local_path(&self, name: &str) -> Option<PathBuf> {
        let _ = name;
        None
    }
    /// Creates an object durably and as a whole; false if the name is taken.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool>;
    /// The object, if there is one.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>>;
    /// Names of all objects below a prefix that ends with `/` (or is empty).
    fn list(&self, prefix: &str) -> Result<Vec<String>>;
    /// Deletes an object; no error if there is none.
    fn delete(&self, name: &str) -> Result<()>;
    /// How users write this place.
    fn uri(&self) -> &str;
}

/// Opens places by their URIs, object stores with a session's options.
#[derive(Clone, Default)]
pub struct Places(Arc<Options>);

impl Places {
    /// With the options of a session.
    pub fn new(options: Options) -> Self {
        Self(Arc::new(options))
    }

    /// Opens the place that a URI names: a local path, `file://`, `s3://` or `s3a://`.
    ///
    /// # Errors
    ///
    /// Other schemes; wrong options of an object store.
    pub fn open(&self, uri: &str) -> Result<Arc<dyn Storage>> {
        let uri = uri.trim_end_matches('/');
        if is_object_uri(uri) {
            return Ok(Arc::new(Objects::open(uri, &self.0)?));
        }
        let path = match uri.split_once("://") {
            None => uri.strip_prefix("file:").unwrap_or(uri),
            Some(("file", path)) => path,
            Some((scheme, _)) => {
                return Err(Error::option(format!("'{uri}': no storage for '{scheme}://'"))
                    .hint("give a local path, file:///path or s3://bucket/path"));
            }
        };
        let path = std::path::absolute(path)?;
        Ok(Arc::new(Local { uri: path.display().to_string(), root: path }))
    }
}

impl Storage for Objects {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        Objects::put(self, name, bytes)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        Objects::create(self, name, bytes)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Objects::get(self, name)
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        Objects::list(self, prefix)
    }

    fn delete(&self, name: &str) -> Result<()> {
        Objects::delete(self, name)
    }

    fn uri(&self) -> &str {
        Objects::uri(self)
    }
}

/// A place that lasts as long as the process: for jobs that start again after failures
/// without a checkpoint directory.
pub fn memory() -> Arc<dyn Storage> {
    Arc::new(Memory::default())
}

#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Memory {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Memory {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.objects().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let mut objects = self.objects();
        let free = !objects.contains_key(name);
        if free {
            objects.insert(name.to_owned(), bytes.to_vec());
        }
        Ok(free)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.objects().get(name).cloned())
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self.objects().keys().filter(|n| n.starts_with(prefix)).cloned().collect())
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.objects().remove(name);
        Ok(())
    }

    fn uri(&self) -> &'static str {
        "memory"
    }
}

/// A local directory. Objects are written beside their place, synced and renamed or linked.
struct Local {
    root: PathBuf,
    uri: String,
}

impl Local {
    /// A synced temporary file in the folder of the object.
    fn stage(&self, name: &str, bytes: &[u8]) -> Result<(PathBuf, PathBuf)> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(|e| failed("create", folder, &e))?;
        let staged = folder.join(staged_name());
        let write = || -> Result<()> {
            let mut file =
                fs::File::create_new(&staged).map_err(|e| failed("create", &staged, &e))?;
            let written = file.write_all(bytes).and_then(|()| file.sync_all());
            written.map_err(|e| failed("write", &path, &e))
        };
        write().inspect_err(|_| {
            let _ = fs::remove_file(&staged);
        })?;
        Ok((staged, path))
    }
}

fn failed(what: &str, path: &Path, e: &std::io::Error) -> Error {
    Error::io(format!("cannot {what} {}: {e}", path.display()))
}

/// Makes a new name in a folder survive a power failure.
fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::File::open(folder).and_then(|f| f.sync_all()).map_err(|e| failed("sync", folder, &e))
}

impl Storage for Local {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (staged, path) = self.stage(name, bytes)?;
        fs::rename(&staged, &path).map_err(|e| failed("write", &path, &e))?;
        sync_folder(&path)
    }

    fn put_with(&self, name: &str, fill: Fill<'_>) -> Result<()> {
        let path = self.root.join(name);
        let mut staged = Staged::create(path.clone(), None)?;
        fill(&mut staged).map_err(|e| e.context(format!("cannot write {}", path.display())))?;
        staged.publish()
    }

    fn local_path(&self, name: &str) -> Option<PathBuf> {
        Some(self.root.join(name))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let (staged, path) = self.stage(name, bytes)?;
        // A hard link appears at once and fails when the name is taken.
        let linked = fs::hard_link(&staged, &path);
        let _ = fs::remove_file(&staged);
        match linked {
            Ok(()) => sync_folder(&path).map(|()| true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(failed("create", &path, &e)),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(e) => Err(failed("read", &path, &e)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut folders = vec![prefix.trim_end_matches('/').to_owned()];
        while let Some(folder) = folders.pop() {
            let path = self.root.join(&folder);
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    continue;
                }
                Err(e) => return Err(failed("list", &path, &e)),
            };
            for entry in entries {
                let entry = entry.map_err(|e| failed("list", &path, &e))?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let full =
                    if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                match entry.file_type() {
                    Ok(t) if t.is_dir() => folders.push(full),
                    Ok(_) if !name.starts_with('.') => names.push(full),
                    _ => {}
                }
            }
        }
        names.sort();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let path = self.root.join(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(failed("delete", &path, &e)),
        }
        // Folders go with their last file.
        let mut folder = path.parent();
        while let Some(f) = folder.filter(|f| *f != self.root && fs::remove_dir(f).is_ok()) {
            folder = f.parent();
        }
        Ok(())
    }

    fn uri(&self) -> &str {
        &self.uri
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_happens_once_and_lists() {
        let dir = tempfile::tempdir().unwrap();
        let local = Places::default().open(dir.path().to_str().unwrap());
        exercise(local.unwrap().as_ref());
        assert!(!dir.path().join("a").exists());
        exercise(memory().as_ref());
    }

    /// `WEIR_TEST_S3=http://127.0.0.1:5000/bucket` names a server with a bucket.
    #[test]
    fn objects_do_the_same() {
        let Ok(server) = std::env::var("WEIR_TEST_S3") else { return };
        let (endpoint, bucket) = server.rsplit_once('/').unwrap();
        let mut options = Options::new();
        for (key, value) in
            [("s3.endpoint", endpoint), ("s3.access-key", "test"), ("s3.secret-key", "test")]
        {
            options.set(key, value);
        }
        let places = Places::new(options);
        let uri = format!("s3://{bucket}/storage-{}/x", std::process::id());
        let place = places.open(&uri).unwrap();
        exercise(place.as_ref());
        let large: Vec<u8> = (0..40_000_000_u32).map(|i| (i % 251) as u8).collect();
        place.put("large", &large).unwrap();
        assert_eq!(place.get("large").unwrap().unwrap(), large);
        let missing = places.open("s3://no-such-bucket/x").unwrap();
        let e = missing.create("a", b"1").unwrap_err().to_string();
        assert!(e.contains("NoSuchBucket") && !e.contains("secret"), "{e}");
    }

    fn exercise(s: &dyn Storage) {
        assert!(s.create("a/b", b"1").unwrap());
        assert!(!s.create("a/b", b"2").unwrap());
        assert_eq!(s.get("a/b").unwrap().unwrap(), b"1");
        s.put("a/b", b"3").unwrap();
        s.put("c", b"4").unwrap();
        assert_eq!(s.get("a/b").unwrap().unwrap(), b"3");
        assert_eq!(s.list("").unwrap(), ["a/b", "c"]);
        assert_eq!(s.list("a/").unwrap(), ["a/b"]);
        s.delete("a/b").unwrap();
        s.delete("a/b").unwrap();
        assert_eq!(s.list("").unwrap(), ["c"]);
        assert!(s.get("a/b").unwrap().is_none());
    }

    #[test]
    fn unknown_schemes_are_refused() {
        let e = Places::default().open("hdfs://x/y").err().unwrap();
        assert!(e.to_string().contains("hdfs://"), "{e}");
    }
}
