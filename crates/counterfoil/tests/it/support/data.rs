//! Data sets of a world.

use super::World;
use super::people::{Person, Staff, somebody_with};

/// Declares a data set `loans` of a class, for development, which a steward answers for; `more` is said of it besides.
#[track_caller]
pub fn declare_loans(world: &World, steward: &Person, class: &str, more: &[&str]) {
    let words = ["--token", &steward.1, "data", "declare", "loans", "--class", class, "--owner", &steward.0];
    let origin = ["--source", "crm/exports", "--licence", "MSA-7", "--lawful-basis", "contract"];
    world.json(&[&words[..], &origin, &["--purposes", "development"], more].concat());
}

/// A data steward who has declared it.
#[track_caller]
pub fn steward_of_loans(world: &World, staff: &Staff, class: &str) -> Person {
    let steward = somebody_with(world, staff, "data_steward");
    declare_loans(world, &steward, class, &[]);
    steward
}
