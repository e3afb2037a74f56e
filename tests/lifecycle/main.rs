//! The life of the machines: booted every way, cut off, given what is wrong, shut down.
//!
//! `cargo test -p tests --test lifecycle [-- NAME]`. It drives machines through `image` on free ports, in a folder of its
//! own below `target/bootstack/lifecycle`, and leaves a running stack alone. One story after the other: the host may
//! have two cores, and a story must not wait for another's machines. A name that begins with `long` is told only when it is
//! asked for by name: `cargo xtask test --long` does.

mod address;
mod boot;
mod busy;
mod certificate;
mod clock;
mod crash;
mod cut;
mod damage;
mod database;
mod entropy;
mod inside;
mod memory;
mod shutdown;
mod volume;

use std::process::ExitCode;

use tests::stories::Story;

/// In this order the db machine that the first one makes can be handed on.
fn stories() -> impl IntoIterator<Item = (&'static str, Story)> {
    tests::stories![
        volume::{a_blank_volume_cut_while_it_is_initialised_is_started_over},
        boot::{
            a_web_machine_boots_directly_with_1_cpu,
            a_web_machine_boots_directly_with_2_cpus,
            a_web_machine_boots_by_uefi_with_1_cpu,
            a_web_machine_boots_by_uefi_with_2_cpus,
            a_web_machine_boots_by_bios_with_1_cpu,
            a_web_machine_boots_by_bios_with_2_cpus,
        },
        cut::{rows_survive_a_power_cut_of_the_web_machine, rows_survive_power_cuts_of_the_db_machine},
        busy::{visitors_are_answered_while_a_password_is_hashed},
        database::{
            a_database_that_falls_silent_is_answered_for_within_2_s,
            a_wrong_password_is_named_and_set_right_by_the_db_machine,
            long_a_database_whose_network_is_gone_for_a_minute_is_used_again,
        },
        certificate::{mysqls_certificate_and_its_root_are_exchanged_while_a_site_is_asked},
        shutdown::{
            rows_survive_an_orderly_shutdown,
            a_web_machine_drains_and_powers_off_at_its_power_button,
        },
        inside::{the_kernel_keeps_its_promises_to_a_program},
        clock::{
            a_wrong_clock_chip_is_overruled_by_the_time_servers_that_agree,
            a_clock_chip_that_is_ahead_is_overruled_before_the_first_answer,
            the_clock_keeps_time_by_itself,
        },
        entropy::{
            a_machine_without_random_numbers_is_refused_with_a_line,
            the_hosts_random_device_is_enough,
            a_copy_of_a_machine_draws_other_numbers,
        },
        crash::{
            a_crashed_machine_says_where_and_serves_again_later_each_time,
            a_program_that_panics_says_where_and_is_started_later_each_time,
            a_crash_stops_every_processor,
        },
        volume::{
            a_volume_made_on_the_host_is_taken_up,
            a_machine_without_credentials_touches_no_volume,
            a_foreign_file_system_is_refused_untouched,
            a_foreign_partition_table_is_refused_untouched,
            a_swap_area_is_refused_untouched,
            random_bytes_are_refused_untouched,
            a_mebibyte_of_data_somewhere_is_refused_untouched,
        },
        damage::{a_damaged_application_is_refused, a_disk_damaged_anywhere_never_serves_wrong_bytes},
        address::{a_boot_argument_that_is_no_address_is_refused_with_a_line},
        memory::{too_little_memory_is_refused_with_a_line},
    ]
}

fn main() -> ExitCode {
    tests::stories::tell("lifecycle", stories())
}
