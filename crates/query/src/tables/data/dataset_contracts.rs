//! `dataset_contracts`: what had to be true of the versions of data sets, and when.

use domain::Event;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

/// A version of a contract.
#[derive(Clone)]
struct Term {
    origin: Origin,
    contract: String,
    version: u64,
    dataset: String,
    at: i64,
    until: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct DatasetContracts(Vec<Term>);

impl DatasetContracts {
    /// The version of a contract that was in force is so no more.
    fn end(&mut self, contract: &str, origin: Origin, at: i64) {
        let in_force = |term: &&mut Term| term.contract == contract && term.until.is_none();
        if let Some(term) = self.0.iter_mut().rev().find(in_force) {
            (term.origin, term.until) = (origin, Some(at));
        }
    }
}

impl Table for DatasetContracts {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "dataset_contracts";
    const DOC: &'static str = "Versions of contracts on data sets, and when each was in force.";
    const COLUMNS: &'static [Column] = &[
        text("contract_id", "Name of the contract"),
        int("version", "Its version, 1 for the first"),
        text("dataset_id", "Name of the data set that it is for"),
        time("in_force_from", "When it was published"),
        time("in_force_until", "When the next version was, or the contract was retired; NULL while it is in force"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::ContractPublished(body) => {
                self.end(&body.contract, origin, at);
                let (contract, dataset) = (body.contract.clone(), body.dataset.clone());
                self.0.push(Term { origin, contract, version: body.version, dataset, at, until: None });
            }
            Event::ContractRetired(body) => self.end(&body.contract, origin, at),
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for Term { origin, contract, version, dataset, at, until } in &self.0 {
            let until = until.map_or(Cell::Null, ms);
            out.push(*origin, [contract.into(), (*version).into(), dataset.into(), ms(*at), until]);
        }
    }
}
