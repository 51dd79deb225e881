//! The function `stripe`: events of Stripe's in, once and whatever their order, and what follows from them out.

pub mod api;
pub mod door;
pub mod endpoint;
mod event;
pub mod fetch;
mod form;
mod refused;
mod request;
pub mod settings;
pub mod signature;

pub use event::Event;
pub use refused::StripeError;

/// The routes, for who has taken another one.
pub const ROUTES: &str = "there are POST /stripe/events and POST /stripe/connect";
