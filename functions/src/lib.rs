//! Creel's HTTP functions: axum routers that run on AWS Lambda, and unchanged inside `creel up`.
