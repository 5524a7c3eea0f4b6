//! `shrbuf sandbox --engine qemu`, as it is typed. Each start is emulated, so these tests are fewer
//! than those of user-mode Linux, and each does more.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

#[path = "support/guest.rs"]
mod guest;
mod support;

use std::fs::{self, File};
use std::path::PathBuf;

use support::{Caller, Who, listed, ran};

const ENGINE: &str = "qemu";

/// The kernel's package is fetched once, by the user who runs the tests; who else calls is given
/// that kernel by name.
fn fetched_kernel(me: &Caller) -> Result<PathBuf, String> {
    let probe = ran(me.sandbox(&[], &["uname", "-r"]));
    match probe.status {
        0 => {}
        77 => return Err(probe.err.replace('\n', " ")),
        _ => panic!("{probe:#?}"),
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(named) = set("SHRBUF_KERNEL") {
        return Ok(named.into());
    }
    let cache = set("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(set("HOME").expect("a home")).join(".cache");
    let image = listed(&cache.unwrap_or_else(home).join("shrbuf")).into_iter().find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == format!("vmlinuz-{}", probe.out.trim())
    });
    Ok(image.expect("the kernel in the cache"))
}

/// Runs a test for every caller, or says why not.
fn each(name: &str, test: impl Fn(&Caller)) {
    for who in guest::callers() {
        let mut me = Caller::new(ENGINE, Who::Me);
        let kernel = match fetched_kernel(&me) {
            Ok(kernel) => kernel,
            Err(reason) => return println!("SKIP {name}: {reason}"),
        };
        println!("{name} as {who:?}");
        if who == Who::Me {
            // By name as well: tests with a cache of their own would fetch it again.
            me.kernel = Some(kernel);
            test(&me);
            continue;
        }
        let mut caller = Caller::new(ENGINE, who);
        caller.take_kernel(&kernel);
        test(&caller);
    }
}

macro_rules! tests {
    ($($name:ident: $($part:ident $(($($argument:expr),*))?)*;)*) => {$(
        #[test]
        fn $name() {
            each(stringify!($name), |caller| {
                $(guest::$part(caller $(, $($argument),*)?);)*
            });
        }
    )*};
}

tests! {
    commands_and_their_streams:
        the_status_is_the_commands_own
        both_device_nodes_are_there
        streams_stay_apart_and_are_live
        bytes_come_through_as_they_are(100)
        many_lines_come_in_order
        input_reaches_a_command_that_takes_its_time
        a_terminal_has_its_size_and_its_ctrl_c;
    folders_and_the_rest_of_the_machine:
        only_the_named_folders_keep_what_is_written
        a_planted_link_is_not_followed
        nothing_else_of_the_machine_can_be_changed(
            "mount -t 9p -o trans=virtio,version=9p2000.L w1 /m" // the others are in use
        );
    ends:
        out_of_time_is_124
        a_guest_that_hangs_is_out_of_time
        a_guest_that_dies_is_125_with_its_last_words
        inside_a_sandbox_there_is_none
        signals_reach_the_command
        no_guest_outlives_its_caller;
    caches:
        a_home_that_cannot_be_written_is_no_hindrance
        callers_at_once_do_not_disturb_each_other;
    what_is_missing_is_named:
        a_module_that_is_not_there_is_named
        a_missing_kernel_is_77_with_what_helps("SHRBUF_KERNEL");
}

/// The whole reason for this engine.
#[test]
fn vivid_is_there_with_its_parameters() {
    each("vivid_is_there_with_its_parameters", |caller| {
        let module = "vivid,n_devs=2,node_types=0x1,0x100,no_error_inj=1";
        let answer = caller.script(
            &["--module", module],
            "cat /sys/module/vivid/parameters/n_devs; cat /sys/class/video4linux/*/name",
        );
        answer.expect(0, "2\nvivid-000-vid-cap\nvivid-001-vid-out\n");
    });
}

/// Two guests from one snapshot know the time and do not draw the same random numbers; a damaged
/// snapshot costs time, not the run.
#[test]
fn a_snapshot_is_no_trap() {
    each("a_snapshot_is_no_trap", |caller| {
        let draw = || {
            let answer = caller.script(&[], "date +%s; head -c 16 /dev/urandom | od -An -tx1");
            assert_eq!(answer.status, 0, "{answer:#?}");
            let (seconds, random) = answer.out.split_once('\n').expect("two lines");
            (seconds.parse::<u64>().expect("seconds"), random.to_owned())
        };
        let now = || {
            let since = std::time::UNIX_EPOCH.elapsed();
            since.expect("a time after 1970").as_secs()
        };
        let before = now();
        let (first, second) = (draw(), draw());
        assert!(before <= first.0 && first.0 <= second.0 && second.0 <= now());
        assert_ne!(first.1, second.1);

        // In a cache of its own, so that nobody else meets the damage.
        let cache = caller.folder().join("cache");
        caller.make_folder(&cache);
        let run = |words: &[&str]| {
            let mut command = caller.sandbox(&[], words);
            command.env("XDG_CACHE_HOME", &cache);
            ran(command)
        };
        run(&["echo", "ran"]).expect(0, "ran\n");
        let snapshot = listed(&cache).into_iter().find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("qemu-snapshot") && !name.ends_with(".lock")
        });
        let snapshot = snapshot.expect("a snapshot");
        let length = fs::metadata(&snapshot).expect("its size").len();
        let file = File::options().write(true).open(&snapshot).expect("the snapshot");
        file.set_len(length / 2).expect("half of it");
        run(&["echo", "ran"]).complains(0, &["snapshot is no good"]).expect(0, "ran\n");
        assert!(!snapshot.exists());
        assert_eq!(run(&["echo", "ran"]).expect(0, "ran\n").err, "");
    });
}

/// Where no snapshot is wanted, the guest boots.
#[test]
fn a_cold_start_does_as_well() {
    each("a_cold_start_does_as_well", |caller| {
        caller.script(&["--cold", "--memory", "512M"], "exit 7").expect(7, "");
    });
}
