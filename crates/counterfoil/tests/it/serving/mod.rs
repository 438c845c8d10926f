//! Inferences: what clients send and get, what fails and how, and what is recorded of it.

mod failures;
mod guard;
mod oip;
mod openai;
mod providers;
mod records;
