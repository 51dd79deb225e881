//! The page: how it is served, and what a person sees and does on it, in Debian's Chromium.
#![allow(missing_docs, reason = "tests are promises; their names say what they hold")]

mod live;
mod looks;
mod paid;
mod program;
mod real_openclaw;
mod scene;
mod served;
mod steer;
mod types;
mod viewer;
