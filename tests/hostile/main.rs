//! Peers that mean harm, are broken, or are far away: through all of it another client's requests keep being answered.
//!
//! `cargo test -p tests --test hostile [-- NAME]`. A web machine's network card is wired to this process
//! (`tests::wire`), which plays everybody. A name that begins with `long` is told only when it is asked for by
//! name: `cargo xtask test --long` does.

mod by_hand;
mod crowd;
mod ends;
mod farewell;
mod lease;
mod memory;
mod messages;
mod names;
mod numbers;
mod packets;
mod secure;
mod silence;
mod site;
mod weather;
mod window;

use std::process::ExitCode;

fn main() -> ExitCode {
    let stories = tests::stories![
        packets::{
            garbage_is_answered_by_nobody_and_stops_nobody,
            segments_in_any_order_make_one_request,
            a_forged_reset_ends_no_connection,
            more_than_the_window_is_neither_kept_nor_taken_for_the_end,
            a_crowd_of_neighbours_does_not_hide_the_gateway,
            a_card_that_asks_for_a_reset_comes_back,
            a_half_open_flood_stops_nobody,
            what_is_due_comes_in_silence,
            long_garbage_is_answered_by_nobody_and_stops_nobody,
            long_a_half_open_flood_stops_nobody,
        },
        ends::{an_end_that_comes_early_or_twice_ends_the_stream_once},
        window::{
            a_closed_window_is_asked_for_ever_more_seldom_until_it_opens,
            long_a_window_that_is_closed_for_minutes_opens_on_the_rest,
        },
        silence::{
            a_silent_connection_may_send_what_it_was_promised,
            a_window_is_not_closed_by_silence,
            silent_connections_take_little,
        },
        messages::{what_icmp_says_ends_no_connection, what_icmpv6_says_ends_no_connection},
        farewell::{
            a_slow_reader_gets_the_rest_before_the_machine_powers_off,
            a_reader_that_is_gone_does_not_keep_the_machine_on,
        },
        numbers::{
            sequence_numbers_begin_anywhere,
            what_the_machine_begins_and_asks_has_numbers_of_no_order,
        },
        crowd::{
            vanished_clients_stop_nobody,
            slow_writers_delay_nobody_and_are_answered,
            a_machine_with_nothing_to_do_sleeps,
            long_idle_connections_are_kept_and_still_answer,
            long_idle_connections_over_tls_are_kept_and_still_answer,
            long_one_connection_after_the_other_leaves_nothing_behind,
            long_a_reader_that_stops_gets_the_rest_later,
        },
        memory::{a_crowd_of_slow_readers_ends_no_small_machine},
        lease::{
            a_router_names_the_network_and_names_another,
            a_router_that_names_no_network_is_not_believed,
            a_lease_with_a_gateway_that_cannot_be_is_kept_without_it,
            a_lease_is_renewed_at_the_server_and_not_where_its_message_came_from,
            a_lease_of_one_address_alone_reaches_its_gateway,
            long_a_lease_is_renewed_and_another_address_is_followed,
            long_answers_that_no_server_gives_do_no_harm,
        },
        names::{
            a_name_server_that_fails_or_is_silent_is_not_the_last_that_is_asked,
            a_name_server_that_lies_stops_nobody,
        },
        weather::{long_a_page_arrives_whole_through_foul_weather},
        crowd::{long_vanished_clients_stop_nobody},
    ];
    tests::stories::tell("hostile", stories)
}
