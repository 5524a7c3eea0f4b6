//! `shrbuf sandbox --engine uml`, as it is typed: every test for root (when root runs them) and for
//! an ordinary user.
#![allow(clippy::expect_used, reason = "this is test code")]

#[path = "support/guest.rs"]
mod guest;
mod support;

use support::{Caller, Who, ran};

const ENGINE: &str = "uml";

/// Runs a test for every caller, or says why not.
fn each(name: &str, test: impl Fn(&Caller)) {
    for who in guest::callers() {
        let caller = Caller::new(ENGINE, who);
        let probe = ran(caller.sandbox(&[], &["true"]));
        if probe.status == 77 {
            println!("SKIP {name}: {}", probe.err.replace('\n', " "));
            return;
        }
        println!("{name} as {who:?}");
        test(&caller);
    }
}

macro_rules! tests {
    ($($name:ident $(($($argument:expr),*))?,)*) => {$(
        #[test]
        fn $name() {
            each(stringify!($name), |caller| guest::$name(caller $(, $($argument),*)?));
        }
    )*};
}

tests! {
    the_status_is_the_commands_own,
    both_device_nodes_are_there,
    streams_stay_apart_and_are_live,
    bytes_come_through_as_they_are(100),
    many_lines_come_in_order,
    only_the_named_folders_keep_what_is_written,
    a_planted_link_is_not_followed,
    nothing_else_of_the_machine_can_be_changed("mount -t hostfs none /m -o /"),
    out_of_time_is_124,
    a_guest_that_hangs_is_out_of_time,
    a_guest_that_dies_is_125_with_its_last_words,
    inside_a_sandbox_there_is_none,
    signals_reach_the_command,
    no_guest_outlives_its_caller,
    a_terminal_has_its_size_and_its_ctrl_c,
    a_home_that_cannot_be_written_is_no_hindrance,
    callers_at_once_do_not_disturb_each_other,
    a_module_that_is_not_there_is_named,
    a_missing_kernel_is_77_with_what_helps("SHRBUF_UML"),
    input_reaches_a_command_that_takes_its_time,
}

/// Where no namespaces are to be had, only `--trust-command` runs a command.
#[test]
fn without_confinement_it_needs_trust() {
    each("without_confinement_it_needs_trust", |caller| {
        if caller.who == Who::Me {
            return; // root can always have them, unless somebody has taken them away as below
        }
        let try_it = |option: &str| {
            let line = format!(
                "echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all \
                 --inh-caps=-all --no-new-privs '{}' sandbox --engine uml {option} -- echo ran",
                caller.program()
            );
            ran(caller.command("unshare", ["-Ur", "sh", "-c", &line]))
        };
        try_it("").complains(77, &["user namespace", "--trust-command"]);
        try_it("--trust-command").expect(0, "ran\n");
    });
}
