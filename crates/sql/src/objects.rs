//! What a session keeps besides tables: models, functions, modules, jars.

use std::collections::BTreeMap;

use weir_core::Schema;

use crate::path::TablePath;

/// A model of CREATE MODEL.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// TEMPORARY.
    pub temporary: bool,
    /// INPUT columns.
    pub input: Schema,
    /// OUTPUT columns.
    pub output: Schema,
    /// COMMENT.
    pub comment: Option<String>,
    /// WITH options, in order.
    pub options: weir_core::Options,
}

/// A function of CREATE FUNCTION; it can be listed and dropped, not called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// TEMPORARY.
    pub temporary: bool,
    /// TEMPORARY SYSTEM: known by its bare name everywhere.
    pub system: bool,
    /// Class or path behind AS.
    pub class: String,
    /// LANGUAGE, upper case.
    pub language: String,
    /// URIs of USING.
    pub resources: Vec<String>,
}

/// The objects of a session.
#[derive(Debug, Clone)]
pub struct Objects {
    /// By full name.
    pub models: BTreeMap<TablePath, Model>,
    /// By full name; system functions under their bare name in lower case.
    pub functions: BTreeMap<String, Function>,
    /// Loaded modules in order, and whether each is used.
    pub modules: Vec<(String, bool)>,
    /// Paths of ADD JAR.
    pub jars: Vec<String>,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            models: BTreeMap::new(),
            functions: BTreeMap::new(),
            modules: vec![("core".to_owned(), true)],
            jars: Vec::new(),
        }
    }
}
