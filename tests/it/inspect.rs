//! `inspect` on files, on images made here, and on a registry that lies. Real images are the test bed's.

mod archives;
mod bombs;
mod directories;
mod files;
mod foreign;
mod image;
mod planned;
mod registries;
mod running;
mod started;
mod withheld;
