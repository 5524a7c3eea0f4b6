//! The daemon as it is typed, in a user-mode Linux: nodes and names, who may do what, what a
//! killed daemon leaves, and `shrbuf run`.
#![allow(clippy::expect_used, reason = "this is test code")]

mod support;

use support::{Caller, Ran, Who, ran};

/// Starts a daemon, waits until it answers, and kills or ends it.
const PRELUDE: &str = r#"
    up() {
        "$S" daemon 2>>/tmp/log & D=$!
        i=0
        while ! "$S" list >/dev/null 2>&1; do
            i=$((i + 1)); [ $i -lt 600 ] || { cat /tmp/log; exit 99; }
            sleep 0.05
        done
    }
    as() { who=$1; shift; setpriv --reuid 1000 --regid "$who" --clear-groups "$@"; }
    left() { ls /dev /sys/class/cuse /run/shrbuf/nodes | grep -cE 'video|display'; }
"#;

fn script(name: &str, text: &str) -> Option<Ran> {
    let caller = Caller::new("uml", Who::Me);
    let probe = ran(caller.sandbox(&[], &["true"]));
    if probe.status == 77 {
        println!("SKIP {name}: {}", probe.err.replace('\n', " "));
        return None;
    }
    Some(caller.script(&[], &format!("S='{}'\n{PRELUDE}\n{text}", caller.program())))
}

#[test]
fn the_nodes_have_names_group_and_mode_and_go_with_the_daemon() {
    let name = "the_nodes_have_names_group_and_mode_and_go_with_the_daemon";
    let text = r#"
        up
        readlink /dev/display-sim /dev/video-sim
        stat -c '%A %U %G' /dev/video256 /dev/video257 /run/shrbuf/control.sock
        "$S" add second capture --number 9 --pattern static --mode NV12:640x480@25/1
        "$S" list | awk '{ print $1, $2, $3, $4 }'
        "$S" remove second
        kill -TERM $D; wait $D; echo "ended $?"
        left
    "#;
    let Some(ran) = script(name, text) else { return };
    ran.expect(
        1, // grep counts nothing
        "video256\nvideo257\n\
         crw-rw---- root video\ncrw-rw---- root video\nsrw-rw---- root video\n\
         /dev/second is /dev/video9\n\
         NAME NODE ROLE MODE\n\
         /dev/display-sim /dev/video256 output YUYV:1280x720@30/1\n\
         /dev/video-sim /dev/video257 capture YUYV:1280x720@30/1\n\
         /dev/second /dev/video9 capture NV12:640x480@25/1\n\
         ended 0\n0\n",
    );
}

#[test]
fn who_is_in_group_video_looks_and_only_root_changes() {
    let name = "who_is_in_group_video_looks_and_only_root_changes";
    let text = r#"
        up
        as 44 "$S" list | wc -l
        as 44 "$S" add x output; echo "add $?"
        as 1000 "$S" list; echo "list $?"
        as 1000 "$S" run --no-sandbox -- true; echo "run $?"
        "$S" daemon; echo "second $?"
    "#;
    let Some(ran) = script(name, text) else { return };
    ran.expect(0, "3\nadd 1\nlist 1\nrun 77\nsecond 1\n")
        .complains(0, &["only root may add a node", "group video", "use sudo", "runs already at"]);
}

#[test]
fn a_killed_daemon_is_no_hindrance_to_the_next() {
    let name = "a_killed_daemon_is_no_hindrance_to_the_next";
    let text = r#"
        for round in 1 2 3; do up; kill -KILL $D; wait $D 2>/dev/null; done
        readlink /dev/video-sim; ls /sys/class/cuse
        up
        "$S" list | wc -l
        kill -TERM $D; wait $D; echo "ended $?"
        left
    "#;
    let Some(ran) = script(name, text) else { return };
    ran.expect(1, "video257\n3\nended 0\n0\n");
}

/// The status is the command's, and the nodes are there for it alone.
#[test]
fn run_has_the_nodes_up_for_its_command() {
    let name = "run_has_the_nodes_up_for_its_command";
    let text = r#"
        "$S" run -- sh -c 'test -c /dev/video-sim && test -c /dev/display-sim && exit 9'; echo "run $?"
        left
        "$S" run -- sh -c 'kill -TERM $$'; echo "run $?"
        "$S" run -- /none/such; echo "run $?"
        left
    "#;
    let Some(ran) = script(name, text) else { return };
    ran.complains(
        1,
        &["nodes by the CUSE of the sandbox (engine uml)", "/none/such: No such file"],
    )
    .expect(1, "run 9\n0\nrun 143\nrun 127\n0\n");
}

/// Without /dev/cuse, or without the right to it, the sandbox is gone into by itself.
#[test]
fn run_goes_into_the_sandbox_where_this_machine_can_t() {
    let name = "run_goes_into_the_sandbox_where_this_machine_can_t";
    for who in [Who::Me, Who::Ordinary] {
        let caller = Caller::new("uml", who);
        let words = ["run", "--", "sh", "-c", "test -c /dev/video-sim && exit 9"];
        let ran = ran(caller.command(caller.program(), words));
        if ran.status == 77 {
            println!("SKIP {name}: {}", ran.err.replace('\n', " "));
            return;
        }
        ran.complains(9, &["shrbuf run: nodes by "]);
    }
}
