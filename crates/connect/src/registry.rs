//! The connectors by name. Other crates add theirs with [`register`] before the
//! first statement is planned.

use std::sync::RwLock;

use weir_core::{Error, Options, Result, nearest};

use crate::api::ConnectorFactory;
use crate::{blackhole, datagen, filesystem, kafka, print};

static BUILT_IN: &[&dyn ConnectorFactory] = &[
    &blackhole::BlackholeFactory,
    &datagen::DatagenFactory,
    &filesystem::FilesystemFactory,
    &kafka::KafkaFactory { upsert: false },
    &kafka::KafkaFactory { upsert: true },
    &print::PrintFactory,
];

static ADDED: RwLock<Vec<&'static dyn ConnectorFactory>> = RwLock::new(Vec::new());

/// All connectors, built in or registered.
pub fn registry() -> Vec<&'static dyn ConnectorFactory> {
    let added = ADDED.read().unwrap_or_else(|e| e.into_inner());
    BUILT_IN.iter().chain(added.iter()).copied().collect()
}

/// Adds a connector; one with the same name is replaced.
pub fn register(factory: &'static dyn ConnectorFactory) {
    let mut added = ADDED.write().unwrap_or_else(|e| e.into_inner());
    added.retain(|f| f.identifier() != factory.identifier());
    added.push(factory);
}

/// The connector that a table's options name.
pub fn factory(options: &Options) -> Result<&'static dyn ConnectorFactory> {
    let all = registry();
    let mut names: Vec<&str> = all.iter().map(|f| f.identifier()).collect();
    names.sort_unstable();
    let list = names.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
    let Some(name) = options.get("connector") else {
        return Err(Error::option("the table has no option 'connector'")
            .hint(format!("add 'connector' = '...' to the WITH clause; known are {list}")));
    };
    if let Some(f) = all.iter().rev().find(|f| f.identifier() == name) {
        return Ok(*f);
    }
    if weir_spec::external::external(name).is_some() {
        return Err(Error::unsupported(format!("connector '{name}'"))
            .hint(format!("`weir check` checks its options; those that run are {list}")));
    }
    let error = Error::option(format!("unknown connector '{name}'"));
    Err(match nearest(name, names.iter().copied()) {
        Some(n) => error.hint(format!("did you mean '{n}'? Known are {list}")),
        None => error.hint(format!("known are {list}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_missing_connectors() {
        let options = |name: &str| -> Options {
            [("connector".to_owned(), name.to_owned())].into_iter().collect()
        };
        assert_eq!(factory(&options("datagen")).unwrap().identifier(), "datagen");
        assert_eq!(factory(&options("upsert-kafka")).unwrap().identifier(), "upsert-kafka");
        let e = factory(&options("datagne")).err().unwrap();
        assert_eq!(e.message(), "unknown connector 'datagne'");
        assert!(e.hint_text().unwrap().starts_with("did you mean 'datagen'?"));
        assert!(factory(&Options::new()).err().unwrap().hint_text().unwrap().contains("'kafka'"));
    }
}
