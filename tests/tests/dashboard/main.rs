//! The page: how it is served, and what a person sees and does on it, in Debian's Chromium.
#![allow(missing_docs, reason = "tests are promises; their names say what they hold")]

mod program;
mod real_openclaw;
mod served;
mod types;
