//! Character devices on the kernel's own `/dev/cuse`.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

#[path = "guest/cuse.rs"]
mod cuse;
mod guest;

macro_rules! tests {
    ($($name:ident,)*) => {$(
        #[test]
        fn $name() {
            cuse::$name("qemu");
        }
    )*};
}

tests! {
    the_memo_keeps_bytes_and_goes_when_it_is_told_to,
    interrupts_meet_their_requests_in_a_storm,
    a_request_that_does_not_listen_is_not_interrupted,
    an_interrupt_that_overtakes_comes_again,
    a_stopped_session_answers_what_is_parked_and_goes,
    an_unrestricted_ioctl_reaches_memory_by_asking_again,
}
