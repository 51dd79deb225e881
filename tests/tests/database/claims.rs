//! Many at once.

use std::collections::HashSet;

use crate::fixture::{Fixture, token};

/// Claims and finishes until nothing is left; answers what it did.
async fn drain(session: crate::fixture::Session) -> Vec<String> {
    let mut done = Vec::new();
    loop {
        let items = session.claim(7).await;
        if items.is_empty() {
            return done;
        }
        for item in items {
            session.finish(token(&item), "done").await;
            done.push(item["id"].as_str().expect("an id").to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hosts_drain_one_queue_and_nothing_is_done_twice_or_lost() {
    let f = Fixture::new().await;
    f.admin
        .execute(
            "insert into agent_provision_requests (project_id, agent_key)
             select 'p1', 'agent:a' || n || ':main' from generate_series(1, 500) n",
            &[],
        )
        .await
        .expect("write requests");
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(f.host(&["p1"]).await);
    }
    let drained = futures_util::future::join_all(sessions.into_iter().map(|s| tokio::spawn(drain(s)))).await;
    let all: Vec<String> = drained
        .into_iter()
        .flat_map(|d| d.expect("no host fails"))
        .collect();
    assert_eq!(all.len(), 500);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 500);
    let left = f
        .admin
        .query_one("select count(*) from creel.items", &[])
        .await
        .expect("count");
    assert_eq!(left.get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_the_lane_is_finished_is_never_lost() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let writer = f.test.postgres().await.expect("connect");
    // The same agent over and over: each new request races the finish of the one before.
    let writing = tokio::spawn(async move {
        let mut written = 0;
        while written < 200 {
            let added = writer
                .execute(
                    "insert into agent_provision_requests (project_id, agent_key)
                     select 'p1', 'agent:a' || n || ':main' from generate_series(1, 4) n
                     where not exists (select from agent_provision_requests r
                       where r.agent_key = 'agent:a' || n || ':main' and r.status in ('queued', 'running'))
                     on conflict do nothing",
                    &[],
                )
                .await
                .expect("write requests");
            written += added;
        }
        written
    });
    let mut done = 0;
    while !writing.is_finished() || done < 200 {
        for item in host.claim(10).await {
            host.finish(token(&item), "done").await;
            done += 1;
        }
    }
    let written = writing.await.expect("the writer ends");
    while let Some(item) = host.claim(1).await.pop() {
        host.finish(token(&item), "done").await;
        done += 1;
    }
    assert_eq!(done, written);
}
