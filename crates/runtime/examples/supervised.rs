//! An actor that panics once and is there again. Built with `panic = "abort"` it says at start that it cannot be.
#![allow(clippy::print_stdout)]

use actix::prelude::*;
use actogram_runtime::{SupervisedContext, supervise, supervision_is_effective};

#[derive(Message)]
#[rtype(result = "u32")]
struct Divide(u32);

struct Calculator;

impl Actor for Calculator {
    type Context = SupervisedContext<Self>;
}

impl Handler<Divide> for Calculator {
    type Result = u32;

    fn handle(&mut self, Divide(by): Divide, _: &mut Self::Context) -> u32 {
        12 / by
    }
}

fn main() {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(std::io::stdout)
        .init();
    actix_rt::System::new().block_on(async {
        let calculator = supervise(|_| Calculator).name("calculator").start();
        println!("effective: {}", supervision_is_effective());
        println!("12 / 4 = {:?}", calculator.send(Divide(4)).await);
        println!("12 / 0 = {:?}", calculator.send(Divide(0)).await);
        println!("12 / 3 = {:?}", calculator.send(Divide(3)).await);
    });
}
