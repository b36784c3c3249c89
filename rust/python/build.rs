//! Takes the docstrings out of `_native.pyi`, where each is written once: the macro `docs!` puts them into the binary.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

const STUB: &str = "../../python/honeylink/_native.pyi";
const QUOTES: &str = "\"\"\"";

fn main() {
    println!("cargo::rerun-if-changed={STUB}");
    let stub =
        fs::read_to_string(STUB).unwrap_or_else(|error| panic!("expected to read {STUB}, found {error}"));
    let directory = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("docs");
    // What the stub does not have any more must not compile.
    drop(fs::remove_dir_all(&directory));
    fs::create_dir(&directory)
        .unwrap_or_else(|error| panic!("expected to make {}, found {error}", directory.display()));
    let mut names = BTreeSet::new();
    for (name, docstring) in docstrings(&stub) {
        assert!(names.insert(name.to_lowercase()), "expected one {name}, as some file systems see it");
        fs::write(directory.join(&name), docstring)
            .unwrap_or_else(|error| panic!("expected to write the docstring of {name}, found {error}"));
    }
}

/// The docstring of each class and method, named `ReedSolomon.encode`, of each function, named `plan()`, and of the module,
/// named `_native`. The stub is laid out by ruff, so a class, a function and a docstring each start a line.
fn docstrings(stub: &str) -> Vec<(String, String)> {
    let (mut found, mut class, mut documented) = (Vec::new(), "", Some("_native".to_owned()));
    let mut lines = stub.lines();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        if let Some(name) = defined(line, "class ") {
            class = name;
            documented = Some(name.to_owned());
        } else if let Some(name) = defined(line, "def ") {
            documented = Some(format!("{name}()"));
        } else if let Some(name) = defined(text, "def ") {
            documented = Some(format!("{class}.{name}"));
        } else if let Some(first) = text.strip_prefix(QUOTES) {
            let docstring = docstring(first, line.len() - text.len(), &mut lines);
            found.extend(documented.take().map(|name| (name, docstring)));
        }
    }
    found
}

/// The name that a line defines.
fn defined<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    line.strip_prefix(keyword)?.split(['(', ':']).next()
}

/// The docstring that begins with `first`, without its indentation.
fn docstring<'a>(first: &'a str, indentation: usize, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let rest = lines.map(|line| line.get(indentation..).unwrap_or_default());
    let mut docstring = Vec::new();
    for line in core::iter::once(first).chain(rest) {
        assert!(!line.contains('\\'), "expected a docstring without escapes, found {line}");
        if let Some(last) = line.strip_suffix(QUOTES) {
            docstring.push(last);
            break;
        }
        docstring.push(line);
    }
    docstring.join("\n").trim_end().to_owned()
}
