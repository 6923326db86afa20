//! Templates in the language of Go's `text/template`, with the functions that people add to it.
//!
//! A template is compiled once ([`Template::parse`]) and run on one value after the other. Values are read when the
//! template asks for them, so what it does not name costs nothing. What can be told without running it, such as a field that
//! there is not, is an error of compiling, with its line.

mod check;
mod exec;
mod functions;
mod lex;
mod parse;
mod printf;
mod value;

use std::collections::BTreeMap;
use std::fmt;

pub use value::{Fields, Shape, Value};

/// What is wrong, and in which line of the template (from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub line: usize,
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for Error {}

type Result<T> = std::result::Result<T, Error>;

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    main: Vec<parse::Node>,
    defined: BTreeMap<String, Vec<parse::Node>>,
}

impl Template {
    /// Compiles a template that will run on values of shape `dot`.
    ///
    /// # Errors
    /// It does not follow the grammar, or names a function, a variable, a template or a field that there is not.
    pub fn parse(text: &str, dot: &'static Shape) -> Result<Template> {
        let template = parse::parse(text)?;
        check::check(&template, dot)?;
        Ok(template)
    }

    /// Appends the text for `dot`.
    ///
    /// # Errors
    /// A function refuses its arguments, or the text becomes too long. What was made before stays in `out`.
    pub fn run(&self, dot: &Value<'_>, out: &mut Vec<u8>) -> Result<()> {
        exec::run(self, dot, out)
    }
}

/// ` (nearest: WORD)`, or nothing where no word is near.
fn nearest_hint<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let rated = known.map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    let best = rated.filter(|(likeness, _)| *likeness > 0.7).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, near)| format!(" (nearest: {near})")).unwrap_or_default()
}
