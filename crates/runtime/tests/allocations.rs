//! What messages and loops allocate: limits that hold on a machine of any speed. A test program of its own, since it replaces
//! the allocator by one that counts.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use actix::prelude::*;
use actogram_runtime::*;
use allocation_counter::{AllocationInfo, measure};
use common::{settle, virtual_time};

/// What one of many costs: what does not come again with each is left out.
fn each(what: impl Fn(&AllocationInfo) -> u64, work: impl AsyncFn(usize) + Copy + 'static) -> f64 {
    let total = |times| what(&measure(|| virtual_time(async move { work(times).await })));
    total(10);
    let (few, many) = (total(100), total(500));
    (many as f64 - few as f64) / 400.0
}

fn allocations(work: impl AsyncFn(usize) + Copy + 'static) -> f64 {
    each(|info| info.count_total, work)
}

/// Queues that grow with a flood are a few allocations in all.
const GROWTH: f64 = 0.05;

#[derive(Message)]
#[rtype(result = "u64")]
struct Add(u64);

macro_rules! counter {
    ($name:ident, $context:ty) => {
        struct $name(u64);
        impl Actor for $name {
            type Context = $context;
        }
        impl Handler<Add> for $name {
            type Result = u64;
            fn handle(&mut self, Add(n): Add, _: &mut Self::Context) -> u64 {
                self.0 += n;
                self.0
            }
        }
    };
}
counter!(Supervised, SupervisedContext<Self>);
counter!(Plain, Context<Self>);

async fn ask_each<A>(counter: &Addr<A>, times: usize)
where
    A: Actor + Handler<Add>,
    A::Context: dev::ToEnvelope<A, Add>,
{
    for n in 1..=times as u64 {
        assert_eq!(counter.send(Add(1)).await, Ok(n));
    }
}

fn tell_all<A>(counter: &Addr<A>, times: usize)
where
    A: Actor + Handler<Add>,
    A::Context: dev::ToEnvelope<A, Add>,
{
    for _ in 0..times {
        counter.do_send(Add(1));
    }
}

#[test]
fn a_message_to_a_supervised_actor_allocates_no_more_than_in_plain_actix() {
    let supervised = || supervise(|_| Supervised(0)).start();
    let ask = allocations(async move |times| ask_each(&supervised(), times).await);
    let plain_ask = allocations(async |times| ask_each(&Plain(0).start(), times).await);
    assert!(plain_ask >= 1.0 && ask <= plain_ask, "{ask} {plain_ask}");

    let tell = allocations(async move |times| {
        let counter = supervised();
        tell_all(&counter, times);
        assert_eq!(counter.send(Add(0)).await, Ok(times as u64));
    });
    let plain_tell = allocations(async |times| {
        let counter = Plain(0).start();
        tell_all(&counter, times);
        assert_eq!(counter.send(Add(0)).await, Ok(times as u64));
    });
    assert!(
        plain_tell >= 1.0 && tell <= plain_tell + GROWTH,
        "{tell} {plain_tell}"
    );
}

#[derive(Clone)]
struct Cron;
impl SignalLoop for Cron {
    type Signal = usize;
    fn name(&self) -> String {
        "cron".to_owned()
    }
    async fn run(&mut self, cx: &mut LoopCx<usize>) -> Result<(), LoopError> {
        loop {
            let nap = cx.pause(Duration::from_secs(3600));
            if let Waited::Signal(0) = cx.wait_signal(nap).await? {
                return Ok(());
            }
        }
    }
}

#[test]
fn a_signal_allocates_what_its_message_does() {
    let told = allocations(async |times| {
        let cron = loop_of(Cron, ()).signal_capacity(usize::MAX).spawn();
        cron.until_paused().await.unwrap();
        let addr = cron.addr();
        for n in (0..times).rev() {
            addr.do_send(Signal(n));
        }
        cron.until_ended().await.unwrap();
    });
    let plain = allocations(async |times| {
        let counter = Plain(0).start();
        tell_all(&counter, times);
        assert_eq!(counter.send(Add(0)).await, Ok(times as u64));
    });
    assert!(plain >= 1.0 && told <= plain + GROWTH, "{told} {plain}");

    // Through the handle: two for the address made of its weak one, two for the message, one for the reply, one for the
    // acknowledgement.
    let asked = allocations(async |times| {
        let cron = loop_of(Cron, ()).spawn();
        cron.until_paused().await.unwrap();
        for n in (0..times).rev() {
            assert_eq!(cron.signal(n).await, Ok(SignalOutcome::Delivered));
        }
        cron.until_ended().await.unwrap();
    });
    assert!(asked <= 6.0 + GROWTH, "{asked}");
}

#[test]
fn a_paused_loop_with_a_timer_keeps_at_most_1_3_kib() {
    let bytes = each(
        |info| info.bytes_max,
        async |times| {
            let loops: Vec<_> = (0..times).map(|_| loop_of(Cron, ()).spawn()).collect();
            settle().await;
            assert!(
                loops
                    .iter()
                    .all(|cron| cron.is_running() && cron.is_paused())
            );
        },
    );
    assert!(bytes <= 1.3 * 1024.0, "{bytes} bytes each");
}
