//! Creel.
