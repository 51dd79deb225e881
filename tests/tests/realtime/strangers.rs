//! Nobody hears of rows that he may not read.

use creel_tests::db::TestDb;
use creel_tests::postgrest::Rest;
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::page::{Listens, Page};

async fn make_agent(db: &Client, project: &str, name: &str) {
    let key = format!("agent:{name}:main");
    db.execute(
        "insert into agents (project_id, agent_key, name) values ($1, $2, $3)",
        &[&project, &key, &name],
    )
    .await
    .expect("make an agent");
}

/// The names of the agents that a page hears of, up to one of a name.
async fn names_up_to(page: &mut Page, last: &str) -> Vec<Value> {
    let mut names = Vec::new();
    loop {
        let change = page.change(&format!("{last} is made")).await;
        names.push(change["new"]["name"].clone());
        if change["new"]["name"] == last {
            return names;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_of_different_projects_hear_each_of_their_own() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let (one, other) = (
        test.user("one@example.com").await.expect("make a person"),
        test.user("other@example.com").await.expect("make a person"),
    );
    let (ones, others) = (
        test.project(&one).await.expect("make a project"),
        test.project(&other).await.expect("make a project"),
    );
    let mut page = Page::subscribed(&rest, &Listens::to_table(&one, "agents")).await;
    let mut other_page = Page::subscribed(&rest, &Listens::to_table(&other, "*")).await;
    let db = test.postgres().await.expect("connect");
    for name in ["a", "b", "c"] {
        make_agent(&db, &ones, &format!("one-{name}")).await;
        make_agent(&db, &others, &format!("other-{name}")).await;
    }
    // One statement that changes rows of both.
    db.batch_execute("update agents set role = 'changed'")
        .await
        .expect("change both");
    make_agent(&db, &ones, "one-last").await;
    make_agent(&db, &others, "other-last").await;

    let heard = names_up_to(&mut page, "one-last").await;
    let own = ["one-a", "one-b", "one-c"];
    let mut expected: Vec<&str> = own.iter().chain(&own).copied().collect();
    expected.push("one-last");
    let mut sorted: Vec<&str> = heard.iter().filter_map(Value::as_str).collect();
    sorted[3..6].sort_unstable();
    assert_eq!(sorted, expected);
    let heard = names_up_to(&mut other_page, "other-last").await;
    let strange: Vec<&Value> = heard
        .iter()
        .filter(|name| name.as_str().is_some_and(|name| name.starts_with("one")))
        .collect();
    assert_eq!(strange, Vec::<&Value>::new());
}

async fn revoke(rest_and_db: (&Rest, &Client), page: &mut Page, project: &str, person: uuid::Uuid) {
    let (_, db) = rest_and_db;
    make_agent(db, project, "before").await;
    names_up_to(page, "before").await;
    db.execute(
        "delete from project_members where project_id = $1 and user_id = $2",
        &[&project, &person],
    )
    .await
    .expect("revoke");
    make_agent(db, project, "after").await;
    db.batch_execute("update agents set role = 'secret'")
        .await
        .expect("change all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_member_hears_nothing_more_at_once() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let member = test.user("member@example.com").await.expect("make a person");
    test.member(&project, &member, "viewer")
        .await
        .expect("add a member");
    let own = test.project(&member).await.expect("make a project of his own");
    let mut page = Page::subscribed(&rest, &Listens::to_table(&member, "agents")).await;
    let db = test.postgres().await.expect("connect");
    revoke((&rest, &db), &mut page, &project, member.id).await;
    // His subscription lives: of his own project he still hears.
    make_agent(&db, &own, "own").await;
    assert_eq!(names_up_to(&mut page, "own").await, [json!("own")]);
}

/// Has the policies fail for a person, with a message of this state.
async fn fail_for(admin: &Client, person: uuid::Uuid, state: &str) {
    admin
        .batch_execute(&format!(
            "create or replace function public.bear() returns boolean language plpgsql as $$
             begin
               if auth.uid() = '{person}' then
                 raise exception 'not for you' using errcode = '{state}';
               end if;
               return true;
             end $$;
             grant execute on function public.bear() to authenticated;
             drop policy if exists bear on agents;
             create policy bear on agents as restrictive for select to authenticated using (public.bear())"
        ))
        .await
        .expect("make a policy that fails");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_told_is_told_that_and_costs_nobody_else() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let member = test.user("member@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    test.member(&project, &member, "viewer")
        .await
        .expect("add a member");
    let mut owners = Page::subscribed(&rest, &Listens::to_table(&owner, "agents")).await;
    let mut members = Page::subscribed(&rest, &Listens::to_table(&member, "agents")).await;
    let db = test.superuser().await.expect("connect");
    let is_error = |said: &Value| said["extension"] == "system" && said["status"] == "error";

    fail_for(&db, member.id, "P0001").await;
    make_agent(&db, &project, "one").await;
    assert_eq!(names_up_to(&mut owners, "one").await, [json!("one")]);
    let change = members.change("it is told").await;
    assert_eq!(
        change["errors"],
        json!(["Error 500: Internal Server Error, RLS policy evaluation failed"])
    );
    assert_eq!((&change["new"], &change["old"]), (&json!({}), &json!({})));

    // A database in need has not said no: nobody knows what it would have said.
    fail_for(&db, member.id, "53200").await;
    make_agent(&db, &project, "two").await;
    let said = members.hear("it is told", is_error).await;
    let message = said["system"].as_str().expect("a message");
    assert!(message.contains("was lost"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn anon_hears_of_no_row_and_is_told_so() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let listens = Listens {
        person: None,
        ..Listens::to_table(&owner, "agents")
    };
    let mut page = Page::subscribed(&rest, &listens).await;
    let db = test.postgres().await.expect("connect");
    make_agent(&db, &project, "scout").await;
    let change = page.change("an error").await;
    assert_eq!(change["errors"], json!(["Error 401: Unauthorized"]));
    assert_eq!((&change["new"], &change["old"]), (&json!({}), &json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_published_is_an_error_that_says_so() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let mut page = Page::open(&rest, &Listens::to_table(&owner, "brain_docs")).await;
    let said = page.hear("an error", |said| said["status"] == "error").await;
    let message = said["system"].as_str().expect("a message");
    assert!(message.contains("Please check Realtime is enabled"), "{message}");
}
