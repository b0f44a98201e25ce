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
mod env;
