//! The function `checkout`.
