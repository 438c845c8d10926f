//! What was measured, as a table for people and as JSON for whoever compares runs.

use serde_json::{Map, Value, json};

/// Rows of named numbers.
#[derive(Default)]
pub struct Report {
    rows: Vec<(String, Vec<(&'static str, f64)>)>,
}

impl Report {
    /// Adds a row and prints it.
    pub fn row(&mut self, name: impl Into<String>, numbers: &[(&'static str, f64)]) {
        let name = name.into();
        let cells: Vec<String> = numbers.iter().map(|(what, number)| format!("{what} {}", short(*number))).collect();
        println!("{name:<34} {}", cells.join("   "));
        self.rows.push((name, numbers.to_vec()));
    }

    /// Everything as one line of JSON.
    pub fn json(&self) -> Value {
        let row = |numbers: &[(&'static str, f64)]| -> Map<String, Value> {
            numbers.iter().map(|(what, number)| ((*what).to_owned(), json!(number))).collect()
        };
        self.rows.iter().map(|(name, numbers)| (name.clone(), row(numbers).into())).collect::<Map<_, _>>().into()
    }
}

fn short(number: f64) -> String {
    match number.abs() {
        large if large >= 100.0 => format!("{number:.0}"),
        small if small < 10.0 => format!("{number:.3}"),
        _ => format!("{number:.1}"),
    }
}
