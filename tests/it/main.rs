//! All tests that run the program, in one binary.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests touch the outside themselves, and fail loudly"
)]

mod api;
mod architecture;
mod bad_input;
mod bed;
mod cluster;
mod completion;
mod data;
mod docs;
mod documents;
mod env;
mod fake_registry;
mod fields;
mod gaps;
mod hostile;
mod hostile_files;
mod images;
mod inspect;
mod install;
mod manifests;
mod mirrors;
mod old_documents;
mod output;
mod passthrough;
mod reach;
mod registry;
mod render;
mod secrets;
mod signals;
mod suggestions;
mod terminal;
mod upgrade;
mod verify;
mod whole_mesh;
