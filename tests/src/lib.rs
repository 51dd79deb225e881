//! What the end-to-end tests stand on: a cluster for a run, a database for a test, PostgREST and a gateway
//! on it, a worker and `creel up` as child processes, and a proxy that breaks connections on purpose.

pub mod cluster;
pub mod cut;
pub mod db;
pub mod postgrest;
pub mod up;
pub mod wait;
pub mod worker;
