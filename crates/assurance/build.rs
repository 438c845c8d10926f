//! Lists the catalogue's directories, so that a control is one directory and no Rust.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    // Cargo runs this in the crate's directory. Nothing below depends on where that is: clones share a target directory.
    let catalogue = Path::new("../../controls");
    println!("cargo::rerun-if-changed={}", catalogue.display());
    let mut directories: Vec<_> = fs::read_dir(catalogue)
        .expect("the catalogue is there")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.is_dir())
        .collect();
    directories.sort();
    let mut code = String::from("&[\n");
    for directory in directories {
        println!("cargo::rerun-if-changed={}", directory.display());
        code += "    Files {\n";
        for (field, file) in [
            ("control", "control.toml"),
            ("query", "query.sql"),
            ("population", "population.sql"),
            ("pass", "pass.jsonl"),
            ("fail", "fail.jsonl"),
        ] {
            let path = format!("/{}", directory.join(file).display());
            writeln!(code, "        {field}: include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?})),")
                .expect("a String takes all");
        }
        code += "    },\n";
    }
    code += "]\n";
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("catalogue.rs");
    fs::write(out, code).expect("the build directory is writable");
}
