//! What a worker promises it promises by either way to the database.

/// Makes two tests of each function: for a host with a login, and for one with a key.
macro_rules! by_login_and_key {
    ($($promise:ident),* $(,)?) => {
        mod by_login {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise($crate::station::By::Login).await;
                }
            )*
        }
        mod by_key {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise($crate::station::By::Key).await;
                }
            )*
        }
    };
}

pub(crate) use by_login_and_key;
