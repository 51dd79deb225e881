//! Every statement in a file is one that the schema understands.

use std::path::PathBuf;

use creel_tests::cluster::repo;
use creel_tests::db::TestDb;

fn statements_in(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repo().join(folder))
        .expect("list the folder")
        .map(|entry| entry.expect("read an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "sql"))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_statement_that_the_rust_or_an_operator_runs_can_be_prepared() {
    let test = TestDb::new().await.expect("make a database");
    // Sign-in runs as the owner of auth.users; whoever prepares all of them must see everything.
    let db = test.superuser().await.expect("connect");
    let files: Vec<PathBuf> = ["sql/queries", "sql/ops"]
        .into_iter()
        .flat_map(statements_in)
        .collect();
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let sql = std::fs::read_to_string(&file).expect("read a statement");
        if let Err(error) = db.prepare(&sql).await {
            panic!("{}: {error:?}", file.display());
        }
    }
}

/// Statements of more than one line belong into a file, where this test finds them.
#[test]
fn no_statement_of_more_than_one_line_is_in_the_rust() {
    let mut folders: Vec<PathBuf> = ["core/src", "worker/src", "local/src", "cli/src"]
        .iter()
        .map(|f| repo().join(f))
        .collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("list a folder") {
            let path = entry.expect("read an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("read a source");
                let inside = text.split('"').skip(1).step_by(2);
                let long = inside.filter(|literal| {
                    let begins = literal.trim_start();
                    let is_sql = ["select ", "insert into ", "update ", "delete from ", "with "];
                    is_sql.iter().any(|word| begins.starts_with(word)) && begins.trim_end().contains('\n')
                });
                found.extend(long.map(|literal| format!("{}: {literal}", path.display())));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
