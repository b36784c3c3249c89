//! What the Python classes share among threads, and how a panic ends that. It is tested here since the binding has no test
//! binary: that would have to link Python.

#[path = "../../python/src/locking.rs"]
mod locking;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
};

use locking::{Corrupt, Shared};

#[test]
fn nobody_gets_a_state_again_that_a_panic_left() {
    let shared = Shared::new("Encoder", vec![1]);
    let half_done = |state: &mut Vec<i32>| {
        state.clear();
        panic!("an internal error");
    };
    assert_eq!(shared.with(|state| state.len()), Ok(1));
    assert!(catch_unwind(AssertUnwindSafe(|| shared.with(half_done))).is_err());
    for _ in 0..2 {
        assert_eq!(shared.with(|state| state.len()), Err(Corrupt("Encoder")));
        assert!(matches!(shared.try_with(|state| state.len()), Err(Corrupt("Encoder"))));
    }
    let shared = Shared::new("LinkScheduler", vec![1]);
    assert!(catch_unwind(AssertUnwindSafe(|| shared.try_with(half_done).is_ok())).is_err());
    assert_eq!(shared.with(|state| state.len()), Err(Corrupt("LinkScheduler")));
}

#[test]
fn work_comes_back_while_somebody_else_has_the_state() {
    let shared = Shared::new("Encoder", 1);
    let ((taken, is_taken), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel());
    thread::scope(|threads| {
        let shared = &shared;
        let holder = threads.spawn(move || {
            shared.with(|state| {
                taken.send(()).expect("somebody listens");
                may_go_on.recv().expect("somebody sends");
                *state = 2;
            })
        });
        is_taken.recv().expect("it is taken");
        let Ok(Err(work)) = shared.try_with(|state| *state) else { panic!("it is taken") };
        go_on.send(()).expect("the holder waits");
        holder.join().expect("no panic").expect("no panic");
        assert_eq!(shared.with(work), Ok(2));
        assert!(matches!(shared.try_with(|state| *state), Ok(Ok(2))));
    });
}
