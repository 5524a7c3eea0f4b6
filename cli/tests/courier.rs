//! The courier against callers that know nothing of it. Needs root and a node to call (a file of a
//! FUSE mount will do); `sandbox_uml_courier.rs` does the same on CUSE.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this is test code"
)]

#[path = "courier/callers.rs"]
mod callers;
#[path = "courier/node.rs"]
mod node;
#[path = "courier/swaps.rs"]
mod swaps;

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                let mut all = callers::ALL.iter().chain(swaps::ALL);
                let test = all.find(|(name, _)| *name == stringify!($name));
                test.expect("a test").1();
            }
        )*

        #[test]
        fn all_are_here() {
            let here = [$(stringify!($name)),*];
            assert!(callers::ALL.iter().chain(swaps::ALL).map(|(name, _)| *name).eq(here));
        }
    };
}

tests! {
    a_caller_is_as_before,
    a_static_caller_too,
    signals_at_1_khz_do_not_matter,
    threads_do_not_disturb_each_other,
    threads_and_signals,
    two_free_numbers_are_enough,
    one_free_number_is_enough,
    what_it_costs,
    one_free_number_is_enough_where_the_limit_is_hard,
    a_full_table_gets_emfile_and_nothing_else,
    a_go_program_is_as_good_as_any,
    a_seccomp_filter_never_sees_what_the_caller_is_made_to_do,
    a_traced_caller_gets_ebusy,
    nested_memory_is_read_and_written,
    a_process_is_kept_until_it_ends_or_runs_another_program,
    flags_are_those_of_this_moment,
    only_memory_files_and_dmabufs_are_taken,
    memory_that_never_comes_is_out_of_time,
    a_ticket_brings_a_descriptor_without_ptrace,
    a_killed_helper_leaves_the_caller_unharmed,
    dying_callers_are_forgotten,
    stopped_callers_go_on,
    a_killed_daemon_leaves_the_caller_unharmed,
    the_entry_of_32_bit_programs_is_refused,
    a_caller_that_swaps_descriptors_harms_itself_only,
    a_daemon_dies_with_its_own_node_in_its_socket,
    a_helper_holds_its_socket_and_the_transfer_file_only,
    the_calling_descriptor_is_known,
    a_swapped_caller_is_as_before,
    a_static_swapped_caller_too,
    a_swap_needs_no_free_number,
    a_swap_needs_no_free_number_where_the_limit_is_hard,
    what_epoll_was_told_of_a_file_holds_for_the_next,
    what_a_swap_costs,
    a_close_that_takes_its_time_is_waited_for,
    a_swap_that_fails_leaves_all_as_it_was,
    a_file_of_another_device_is_not_swapped,
    a_go_program_is_swapped_as_any,
    a_seccomp_filter_never_sees_a_swap,
    a_traced_caller_is_not_swapped,
    who_swaps_while_being_swapped_harms_itself_only,
    a_helper_killed_in_a_swap_leaves_the_caller_unharmed,
    callers_that_die_in_a_swap_are_forgotten,
    callers_stopped_in_a_swap_go_on,
    a_daemon_killed_in_a_swap_leaves_the_caller_unharmed,
}

/// No test: the process that another test kills.
#[test]
fn serving() {
    callers::serve_if_told();
}
