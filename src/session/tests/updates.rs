//! What the operator is told and asked about an update.

use super::bench::*;
use crate::input::Action;
use crate::session::Phase;
use crate::session::guidance::Notice;
use crate::session::update_page::UpdatePage;
use crate::session::update_prompt::{NEWS_LIMIT, RESULT_HOLD};
use crate::update::{Answer, Outcome, ProblemKind, UpdateState};

const BUTTONS: [Action; 3] = [Action::Confirm, Action::StepBrightness, Action::Cancel];

fn install(is_older_agreed: bool) -> Answer {
    Answer::Install {
        sha256: "ab".to_owned(),
        is_older_agreed,
    }
}

fn later() -> Answer {
    Answer::Later {
        sha256: "ab".to_owned(),
    }
}

fn told(state: UpdateState) -> Bench {
    let mut bench = Bench::open(None);
    bench.say(state);
    bench
}

fn answers(seen: Vec<Seen>) -> Vec<Answer> {
    seen.into_iter()
        .filter_map(|one| match one {
            Seen::AnswerUpdater(answer) => Some(answer),
            _ => None,
        })
        .collect()
}

#[test]
fn nothing_takes_the_screen_from_a_smear_that_is_counted() {
    for state in every_update_state() {
        let mut bench = Bench::in_phase(Phase::Counting);
        bench.say(state.clone());
        bench.wait_ms(60_000);
        assert_eq!(bench.phase(), Phase::Counting, "{state:?}");
        assert!(bench.machine.update_notice().is_some(), "{state:?}");
        let light = bench.press(Action::StepBrightness);
        assert_eq!(light, [Seen::StepBrightness], "{state:?}");
    }
    let bench = told(UpdateState::Idle);
    assert_eq!((bench.page(), bench.machine.update_notice()), (None, None));
}

#[test]
fn between_smears_every_state_has_its_page_and_stays_there() {
    for state in every_update_state() {
        let mut bench = told(state.clone());
        assert!(bench.page().is_some(), "{state:?}");
        // A field that was under way when the page came.
        bench.count(5);
        bench.wait_ms(1000);
        assert!(bench.page().is_some(), "{state:?}");
        bench.press(Action::ShutDown);
        assert_eq!(bench.phase(), Phase::SwitchedOff, "{state:?}");
    }
}

#[test]
fn a_result_is_seen_before_a_question_and_not_hidden_by_progress() {
    for state in every_update_state() {
        let is_progress = matches!(
            state,
            UpdateState::Copying { .. } | UpdateState::Checking | UpdateState::Installing { .. }
        );
        let mut bench = Bench::in_phase(Phase::Counting);
        bench.say(state.clone());
        bench.finish();
        bench.wait_ms(RESULT_HOLD.as_millis() as u64 - 2500);
        assert_eq!(bench.phase(), Phase::Result, "{state:?}");
        assert!(bench.machine.update_notice().is_some(), "{state:?}");
        bench.wait_ms(1500);
        assert_eq!(bench.page().is_some(), !is_progress, "{state:?}");
    }
}

#[test]
fn buttons_say_what_the_page_says() {
    use Action::{Cancel, Confirm, StepBrightness};
    let cases = [
        (copying(3), Confirm, None, false),
        (copying(3), StepBrightness, None, true),
        (UpdateState::Checking, Cancel, None, false),
        (offered(false), Confirm, Some(install(false)), true),
        (offered(false), StepBrightness, Some(later()), false),
        (offered(false), Cancel, Some(later()), false),
        (offered(true), Confirm, None, true),
        (offered(true), StepBrightness, Some(later()), false),
        (installing(9), Confirm, None, false),
        (ready(), Confirm, Some(Answer::Restart), true),
        (ready(), StepBrightness, None, false),
        (ready(), Cancel, None, false),
        (refused(), Confirm, Some(Answer::Seen), false),
        (refused(), StepBrightness, None, true),
        (refused(), Cancel, Some(Answer::Seen), false),
        (
            ended(Outcome::Confirmed),
            Confirm,
            Some(Answer::Seen),
            false,
        ),
        (UpdateState::Recovery, Confirm, Some(Answer::TryAgain), true),
        (UpdateState::Recovery, StepBrightness, None, false),
    ];
    for (state, action, expected, stays_open) in cases {
        let mut bench = told(state.clone());
        let seen = bench.press(action);
        let is_light = seen.contains(&Seen::StepBrightness);
        let light_is_free = action == StepBrightness && stays_open && expected.is_none();
        assert_eq!(is_light, light_is_free, "{state:?} {action:?}");
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(answers(seen), expected, "{state:?} {action:?}");
        bench.wait_ms(0);
        assert_eq!(bench.page().is_some(), stays_open, "{state:?} {action:?}");
    }
}

#[test]
fn an_older_version_is_asked_about_twice() {
    let mut bench = told(offered(true));
    assert!(matches!(bench.page(), Some(UpdatePage::Offered { .. })));
    bench.press(Action::Confirm);
    assert!(matches!(bench.page(), Some(UpdatePage::Older { .. })));
    assert_eq!(bench.press(Action::Confirm), [], "pressed twice");
    bench.wait_ms(1000);
    assert_eq!(answers(bench.press(Action::Confirm)), [install(true)]);
    assert_eq!(bench.page(), Some(UpdatePage::Answered));

    let mut bench = told(offered(true));
    bench.press(Action::Confirm);
    bench.wait_ms(1000);
    assert_eq!(answers(bench.press(Action::StepBrightness)), [later()]);
    // What was agreed to for one offer is not for the next.
    bench.say(UpdateState::Idle);
    bench.say(offered(true));
    assert_eq!(bench.press(Action::Confirm), []);
}

#[test]
fn news_give_the_screen_back_where_nobody_is() {
    for state in every_update_state() {
        let is_news = matches!(state, UpdateState::Refused(_) | UpdateState::Ended(_));
        let mut bench = told(state.clone());
        bench.wait_ms(NEWS_LIMIT.as_millis() as u64 - 2000);
        assert!(bench.page().is_some(), "{state:?}");
        bench.wait_ms(3000);
        assert_eq!(bench.page().is_none(), is_news, "{state:?}");
        assert!(bench.machine.update_notice().is_some(), "{state:?}");
    }
}

#[test]
fn a_press_that_was_meant_for_the_screen_before_says_nothing() {
    let mut bench = Bench::open(None);
    bench.step(crate::session::Event::Update(offered(false)));
    bench.wait_ms(300);
    assert_eq!(bench.phase(), Phase::UpdateQuestion);
    for action in BUTTONS {
        assert_eq!(bench.press(action), [], "{action:?}");
    }
    bench.wait_ms(500);
    assert_eq!(answers(bench.press(Action::Confirm)), [install(false)]);
}

#[test]
fn an_answer_that_nobody_takes_is_asked_for_again() {
    for (state, page, limit_ms) in [
        (offered(false), UpdatePage::Answered, 10_000),
        (ready(), UpdatePage::Restarting, 60_000),
        (UpdateState::Recovery, UpdatePage::Restarting, 60_000),
    ] {
        let mut bench = told(state.clone());
        let asked = format!("{:?}", bench.page());
        bench.press(Action::Confirm);
        assert_eq!(bench.page(), Some(page), "{state:?}");
        assert_eq!(bench.press(Action::Confirm), []);
        bench.wait_ms(limit_ms - 1000);
        assert_eq!(bench.page(), Some(page), "{state:?}");
        bench.wait_ms(2000);
        assert_eq!(format!("{:?}", bench.page()), asked, "{state:?}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_asked_for_again_but_no_is_no() {
    let mut bench = told(offered(false));
    bench.can_answer = false;
    bench.press(Action::Confirm);
    assert_eq!(bench.phase(), Phase::UpdateQuestion, "nobody was told");
    bench.press(Action::Cancel);
    bench.wait_ms(100);
    assert_eq!(bench.phase(), Phase::Empty, "no is no");
}

#[test]
fn progress_that_was_dismissed_stays_a_line_until_there_is_a_question() {
    let mut bench = told(copying(3));
    bench.press(Action::Confirm);
    for state in [copying(4), UpdateState::Checking] {
        bench.say(state.clone());
        assert_eq!(bench.page(), None, "{state:?}");
        assert!(bench.machine.update_notice().is_some(), "{state:?}");
    }
    bench.say(offered(false));
    assert!(bench.page().is_some());
    bench.press(Action::Confirm);
    bench.say(installing(0));
    assert_eq!(bench.phase(), Phase::UpdateProgress);
}

#[test]
fn a_restart_that_was_put_off_is_asked_for_after_each_smear() {
    let mut bench = told(ready());
    bench.press(Action::StepBrightness);
    bench.wait_ms(60_000);
    bench.count(5);
    bench.wait_ms(60_000);
    assert_eq!(bench.page(), None);
    assert_eq!(bench.machine.update_notice(), Some(Notice::UpdateReady));
    bench.finish();
    bench.wait_ms(6000);
    assert!(bench.page().is_some());
    bench.press(Action::Cancel);
    bench.wait_ms(60_000);
    assert_eq!(bench.phase(), Phase::Result);
}

#[test]
fn what_was_answered_is_not_told_again() {
    for state in [offered(false), refused(), ended(Outcome::RolledBack)] {
        let mut bench = told(state.clone());
        bench.press(Action::Cancel);
        bench.wait_ms(60_000);
        let shown = (bench.page(), bench.machine.update_notice());
        assert_eq!(shown, (None, None), "{state:?}");
    }
}

#[test]
fn a_refusal_names_its_kind() {
    let bench = told(refused());
    let expected = UpdatePage::Refused(ProblemKind::NotGenuine);
    assert_eq!(bench.page(), Some(expected));
}

#[test]
fn an_update_may_be_what_helps_where_the_device_has_failed() {
    let mut bench = Bench::new(None, true);
    bench.step(crate::session::Event::Failed);
    bench.say(offered(false));
    assert_eq!(bench.phase(), Phase::UpdateQuestion);
    bench.wait_ms(120_000);
    assert_eq!(bench.phase(), Phase::UpdateQuestion, "it waits");
    bench.press(Action::Cancel);
    bench.wait_ms(100);
    assert_eq!(bench.phase(), Phase::Fault);
}
