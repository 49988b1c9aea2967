//! People of a local datacenter log in by themselves, and say what stands in their way.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{HANG, builder, datacenter};
use actogram::LocalPerson;

const PHONE: &str = "9996621234";

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it hangs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_person_signs_up_and_logs_in_again() {
    let datacenter = datacenter().await;
    let mut ids = Vec::new();
    for account in ["phone", "tablet"] {
        let client = builder(&datacenter, account).connect().await.unwrap();
        let mut ann = LocalPerson::new(&datacenter, PHONE).named("Ann");
        let me = in_time(client.log_in(&mut ann)).await.unwrap();
        assert_eq!(me.first_name.as_deref(), Some("Ann"));
        assert!(!me.bot);
        ids.push(me.id);
        client.shutdown(Duration::from_secs(5)).await;
    }
    assert_eq!(ids[0], ids[1], "one account");
    datacenter.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_two_step_password_is_given_or_its_lack_is_said() {
    let datacenter = datacenter().await;
    let operator = datacenter.operator();
    let ann = operator.create_user(PHONE, "Ann").unwrap();
    operator
        .set_two_step_password(ann, Some("s3cret"), "a hint")
        .unwrap();
    let person = || LocalPerson::new(&datacenter, PHONE);
    for (person, complaint) in [
        (person(), "LocalPerson::password"),
        (person().password("wrong"), "another one"),
    ] {
        let client = builder(&datacenter, complaint).connect().await.unwrap();
        let mut person = person;
        let refused = in_time(client.log_in(&mut person)).await.unwrap_err();
        assert!(refused.to_string().contains(complaint), "{refused}");
        assert!(!client.is_logged_in());
        client.shutdown(Duration::from_secs(5)).await;
    }
    let client = builder(&datacenter, "right").connect().await.unwrap();
    let mut person = person().password("s3cret");
    assert!(!format!("{person:?}").contains("s3cret"));
    let me = in_time(client.log_in(&mut person)).await.unwrap();
    assert_eq!(me.id, ann);
    client.shutdown(Duration::from_secs(5)).await;
    datacenter.shutdown().await;
}
