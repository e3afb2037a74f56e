//! Certificates from a real authority (Pebble, strict, refusing one nonce in twenty), for machines that share a MySQL.
//!
//! A machine is the whole service on sockets of its own, on this thread; to kill it is to drop it between two steps.
//! Simulated time is the database's: who moves a row's date moves all machines.

mod authority;
mod brought;
mod claims;
mod failures;
mod load;
mod machine;
mod operator;
mod sites;
mod tickets;

use crate::Claim;

pub(crate) const CLAIMS: &[Claim] = &[
    ("before_a_certificate_only_challenges_and_health_are_answered", claims::before_a_certificate),
    ("machines_that_start_together_order_once_and_any_answers", claims::one_order),
    ("a_session_of_one_machine_resumes_at_another", tickets::a_session_of_one_machine_resumes_at_another),
    ("an_order_of_a_dead_machine_is_finished_by_another", claims::an_order_is_inherited),
    ("a_certificate_is_renewed_when_the_authority_says", claims::as_the_authority_says),
    ("a_profile_that_is_asked_for_is_what_the_certificate_is", claims::a_profile),
    ("a_wrong_clock_neither_orders_nor_refuses", failures::a_wrong_clock),
    ("a_clock_that_is_slow_by_less_than_a_minute_refuses_no_new_certificate", failures::a_slow_clock),
    ("an_operator_says_by_the_page_what_is_wanted", operator::wishes_by_the_page),
    ("a_wish_that_comes_during_an_attempt_is_not_lost", operator::a_wish_during_an_attempt),
    ("what_an_operator_brings_reaches_all_machines_and_drops_no_connection", brought::reaches_all_machines),
    ("of_what_is_brought_twice_the_one_that_was_written_later_counts", brought::later_counts),
    ("a_site_of_authorities_takes_nothing_that_is_brought", brought::not_for_authorities),
    ("a_renewal_fails_no_request", load::a_renewal_fails_no_request),
];

/// What takes longer than each change is worth: a minute and a half, and some minutes.
pub(crate) const LONG: &[Claim] = &[
    ("an_authority_that_is_down_costs_nothing_until_it_is_back", failures::an_authority_is_down),
    ("a_wrong_answer_is_told_and_mended", failures::a_wrong_answer_is_told_and_mended),
    ("a_second_authority_takes_over", failures::a_second_authority_takes_over),
    ("a_replaced_certificate_is_revoked_and_the_account_gets_another_key", operator::replace_and_roll),
    ("twenty_renewals_fail_no_request", load::twenty_renewals_fail_no_request),
    ("a_certificate_is_renewed_at_two_thirds_of_its_life", claims::two_thirds),
    ("a_certificate_is_renewed_before_its_end_whatever_the_authority_says", claims::a_late_window),
    ("ten_thousand_broken_handshakes_leave_nothing", sites::broken_handshakes_leave_nothing),
    ("pebble_as_it_comes_with_its_delays_is_borne", claims::pebble_with_delays),
];
