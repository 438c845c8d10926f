//! The verifier against packages and proofs that are whole, and against each kind of damage by name.

mod accesses;
mod damage;
mod flips;
mod proofs;
mod python;
mod seeds;
mod seen;
mod world;
