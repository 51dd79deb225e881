//! A Postgres cluster of our own.

mod account;
mod cluster;
mod place;
mod postmaster;

pub(crate) use cluster::connect;
pub use cluster::{Cluster, ClusterConfig};
