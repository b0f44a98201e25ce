//! All tests that run the program, in one binary.

mod api;
mod architecture;
mod env;
