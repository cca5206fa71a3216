//! What the operator is told and asked about an update, and what each button then says.
//!
//! Pure: it is told the update's state, how the run stands and what time it is. A page takes the
//! screen only between smears, and nothing is counted while it is there, so that no press of a
//! button can be meant for two things.

use crate::input::Action;
use crate::language::Language;
use crate::session::guidance::Notice;
use crate::session::update_page::UpdatePage;
use crate::update::{Answer, Offer, Outcome, UpdateState};
use std::time::{Duration, Instant};

/// A result stays on the screen for so long before a question takes its place.
const RESULT_FIRST: Duration = Duration::from_secs(5);
/// A press so soon after a question came up was meant for what was there before.
const NOT_YET: Duration = Duration::from_millis(700);
/// How long the updater may take to begin what it was answered.
const INSTALL_LIMIT: Duration = Duration::from_secs(10);
/// How long the system may take to stop for a restart.
const RESTART_LIMIT: Duration = Duration::from_secs(60);

/// A refusal, and how an update ended, hold the screen for so long: where nobody is, counting has
/// to go on.
const NEWS_LIMIT: Duration = Duration::from_secs(60);

/// How a run stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// A smear with counted fields is being counted.
    pub(crate) is_counting: bool,
    /// A smear's result is on the screen.
    pub(crate) has_result: bool,
}

/// What a button that was pressed says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It was not meant for the update.
    Of(Action),
    /// To be told to the updater.
    Answer(Answer),
    Nothing,
}

/// Whether the operator has put the present state aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Aside {
    #[default]
    No,
    /// A line goes on to tell of it.
    Line,
    /// The updater was answered, and soon says something else.
    Whole,
}

/// What kind of page a state has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Progress,
    Question,
}

fn kind_of(state: &UpdateState) -> Kind {
    match state {
        UpdateState::Idle => Kind::None,
        UpdateState::Copying { .. } | UpdateState::Checking | UpdateState::Installing { .. } => {
            Kind::Progress
        }
        UpdateState::Offered(_)
        | UpdateState::ReadyToRestart { .. }
        | UpdateState::Refused(_)
        | UpdateState::Ended(_)
        | UpdateState::Recovery => Kind::Question,
    }
}

/// The talk with the operator about an update.
#[derive(Debug, Default)]
pub(crate) struct Dialog {
    state: UpdateState,
    aside: Aside,
    /// An older version was agreed to once.
    is_agreed: bool,
    /// When the updater was answered something that takes it a moment.
    answered: Option<Instant>,
    is_open: bool,
    /// When what is on the page was first asked.
    asked: Option<Instant>,
    result_since: Option<Instant>,
}

impl Dialog {
    /// The updater says something.
    pub(crate) fn take(&mut self, state: UpdateState) {
        if state == self.state {
            return;
        }
        let both = [kind_of(&self.state), kind_of(&state)];
        if both != [Kind::Progress; 2] {
            self.aside = Aside::No;
            self.asked = None;
        }
        self.is_agreed = false;
        self.answered = None;
        self.state = state;
    }

    /// Time goes on, and so does the run.
    pub(crate) fn look(&mut self, moment: Moment, now: Instant) {
        if !moment.has_result {
            self.result_since = None;
        } else if self.result_since.is_none() {
            self.result_since = Some(now);
            // Asked again after each smear.
            let is_ready = matches!(self.state, UpdateState::ReadyToRestart { .. });
            if is_ready && self.aside == Aside::Line {
                self.aside = Aside::No;
                self.asked = None;
            }
        }
        let limit = match self.state {
            UpdateState::Offered(_) => INSTALL_LIMIT,
            _ => RESTART_LIMIT,
        };
        let since = |start: Instant| now.saturating_duration_since(start);
        if self
            .answered
            .is_some_and(|answered| since(answered) > limit)
        {
            self.answered = None;
            self.asked = None;
        }
        let is_news = matches!(self.state, UpdateState::Refused(_) | UpdateState::Ended(_));
        let is_old = |asked: Instant| since(asked) > NEWS_LIMIT;
        if is_news && self.is_open && self.asked.is_some_and(is_old) {
            self.put(Aside::Line);
        }
        let is_result_seen = self
            .result_since
            .is_none_or(|start| since(start) >= RESULT_FIRST);
        let is_wanted = self.aside == Aside::No
            && match kind_of(&self.state) {
                Kind::None => false,
                Kind::Progress => !moment.has_result,
                Kind::Question => self.is_open || is_result_seen,
            };
        self.is_open = is_wanted && (self.is_open || !moment.is_counting);
        if self.is_open {
            self.asked.get_or_insert(now);
        } else {
            self.asked = None;
        }
    }

    /// Whether a page has the screen.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The page that has the screen.
    pub(crate) fn page(&self, language: Language) -> Option<UpdatePage<'_>> {
        self.is_open.then_some(())?;
        let is_answered = self.answered.is_some();
        Some(match &self.state {
            UpdateState::Idle => return None,
            UpdateState::Copying { percent } => UpdatePage::Copying { percent: *percent },
            UpdateState::Checking => UpdatePage::Checking,
            UpdateState::Offered(_) if is_answered => UpdatePage::Answered,
            UpdateState::Offered(offer) if self.is_agreed => UpdatePage::Older {
                running: &offer.running_version,
                offered: &offer.version,
            },
            UpdateState::Offered(offer) => UpdatePage::Offered {
                running: &offer.running_version,
                offered: &offer.version,
                notes: notes_in(offer, language),
            },
            UpdateState::Installing { version, percent } => UpdatePage::Installing {
                version,
                percent: *percent,
            },
            UpdateState::ReadyToRestart { .. } | UpdateState::Recovery if is_answered => {
                UpdatePage::Restarting
            }
            UpdateState::ReadyToRestart { version } => UpdatePage::Ready { version },
            UpdateState::Refused(problem) => UpdatePage::Refused(problem.kind),
            UpdateState::Ended(result) => match result.outcome {
                Outcome::Confirmed => UpdatePage::Kept {
                    from: &result.from,
                    to: &result.to,
                },
                Outcome::RolledBack => UpdatePage::RolledBack {
                    from: &result.from,
                    to: &result.to,
                    reason: &result.reason,
                },
            },
            UpdateState::Recovery => UpdatePage::Recovery,
        })
    }

    /// The line that tells of the update while no page does.
    pub(crate) fn notice(&self) -> Option<Notice> {
        if self.aside == Aside::Whole {
            return None;
        }
        match &self.state {
            UpdateState::Idle => None,
            UpdateState::Copying { percent } => Some(Notice::UpdateCopying { percent: *percent }),
            UpdateState::Checking => Some(Notice::UpdateChecking),
            UpdateState::Offered(_) => Some(Notice::UpdateWaits),
            UpdateState::Installing { percent, .. } => {
                Some(Notice::UpdateInstalling { percent: *percent })
            }
            UpdateState::ReadyToRestart { .. } => Some(Notice::UpdateReady),
            UpdateState::Refused(_) | UpdateState::Ended(_) => Some(Notice::UpdateNews),
            UpdateState::Recovery => Some(Notice::Recovery),
        }
    }

    /// What a button says that was pressed while the page of the last look was on the screen.
    pub(crate) fn press(&mut self, action: Action, now: Instant) -> Meaning {
        let is_first = match action {
            Action::Next => true,
            Action::Third => false,
            Action::StepBrightness if self.is_open && self.answered.is_none() => false,
            Action::StepBrightness | Action::ShutDown | Action::Stop => return Meaning::Of(action),
        };
        if !self.is_open {
            return match action {
                Action::Third => Meaning::Nothing,
                _ => Meaning::Of(action),
            };
        }
        let is_too_soon = |asked: Instant| now.saturating_duration_since(asked) < NOT_YET;
        if self.answered.is_some() || self.asked.is_none_or(is_too_soon) {
            return Meaning::Nothing;
        }
        let is_light = action == Action::StepBrightness;
        match &self.state {
            UpdateState::Copying { .. }
            | UpdateState::Checking
            | UpdateState::Installing { .. }
                if is_light =>
            {
                Meaning::Of(action)
            }
            UpdateState::Refused(_) | UpdateState::Ended(_) if is_light => Meaning::Of(action),
            UpdateState::Refused(_) | UpdateState::Ended(_) => Meaning::Answer(Answer::Seen),
            UpdateState::Offered(offer) if is_first => {
                if offer.is_older && !self.is_agreed {
                    self.is_agreed = true;
                    self.asked = Some(now);
                    return Meaning::Nothing;
                }
                Meaning::Answer(Answer::Install {
                    sha256: offer.sha256.clone(),
                    is_older_agreed: self.is_agreed,
                })
            }
            UpdateState::Offered(offer) => Meaning::Answer(Answer::Later {
                sha256: offer.sha256.clone(),
            }),
            UpdateState::ReadyToRestart { .. } if is_first => Meaning::Answer(Answer::Restart),
            UpdateState::Recovery if is_first => Meaning::Answer(Answer::TryAgain),
            UpdateState::Idle => Meaning::Nothing,
            UpdateState::Copying { .. }
            | UpdateState::Checking
            | UpdateState::Installing { .. }
            | UpdateState::ReadyToRestart { .. }
            | UpdateState::Recovery => {
                self.put(Aside::Line);
                Meaning::Nothing
            }
        }
    }

    /// The updater has been told.
    pub(crate) fn has_told(&mut self, answer: &Answer, now: Instant) {
        match answer {
            Answer::Install { .. } | Answer::Restart | Answer::TryAgain => {
                self.answered = Some(now);
            }
            Answer::Later { .. } | Answer::Seen => self.put(Aside::Whole),
        }
    }

    fn put(&mut self, aside: Aside) {
        self.aside = aside;
        self.is_open = false;
    }
}

fn notes_in(offer: &Offer, language: Language) -> &str {
    let notes = match language {
        Language::English => &offer.notes.en,
        Language::Spanish => &offer.notes.es,
        Language::French => &offer.notes.fr,
    };
    if notes.is_empty() {
        &offer.notes.en
    } else {
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::{Notes, Problem, ProblemKind, UpdateResult};

    const IDLE: Moment = Moment {
        is_counting: false,
        has_result: false,
    };
    const COUNTING: Moment = Moment {
        is_counting: true,
        has_result: false,
    };
    const RESULT: Moment = Moment {
        is_counting: false,
        has_result: true,
    };

    fn offered(is_older: bool) -> UpdateState {
        UpdateState::Offered(Offer {
            sha256: "ab".to_owned(),
            version: "0.3.0".to_owned(),
            running_version: "0.2.0".to_owned(),
            is_older,
            notes: Notes {
                en: "quicker".to_owned(),
                es: String::new(),
                fr: "plus rapide".to_owned(),
            },
        })
    }

    fn copying(percent: u8) -> UpdateState {
        UpdateState::Copying { percent }
    }

    fn installing(percent: u8) -> UpdateState {
        UpdateState::Installing {
            version: "0.3.0".to_owned(),
            percent,
        }
    }

    fn ready() -> UpdateState {
        UpdateState::ReadyToRestart {
            version: "0.3.0".to_owned(),
        }
    }

    fn refused() -> UpdateState {
        UpdateState::Refused(Problem {
            kind: ProblemKind::NotGenuine,
            text: "signed by nobody".to_owned(),
        })
    }

    fn ended(outcome: Outcome) -> UpdateState {
        UpdateState::Ended(UpdateResult {
            from: "0.2.0".to_owned(),
            to: "0.3.0".to_owned(),
            outcome,
            reason: "it did not start".to_owned(),
        })
    }

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

    /// A dialog and its time.
    struct Talk {
        dialog: Dialog,
        now: Instant,
    }

    impl Talk {
        fn of(state: UpdateState, moment: Moment) -> Self {
            let mut talk = Self {
                dialog: Dialog::default(),
                now: Instant::now(),
            };
            talk.say(state, moment);
            talk
        }

        fn say(&mut self, state: UpdateState, moment: Moment) {
            self.dialog.take(state);
            self.wait(1000, moment);
        }

        /// Looks ten times a second, as a run does.
        fn wait(&mut self, ms: u64, moment: Moment) {
            for _ in 0..=ms / 100 {
                self.dialog.look(moment, self.now);
                self.now += Duration::from_millis(100);
            }
        }

        /// Presses, and tells the updater what it is told.
        fn press(&mut self, action: Action) -> Meaning {
            let meaning = self.dialog.press(action, self.now);
            if let Meaning::Answer(answer) = &meaning {
                self.dialog.has_told(answer, self.now);
            }
            meaning
        }

        fn page(&self) -> Option<UpdatePage<'_>> {
            self.dialog.page(Language::English)
        }
    }

    fn every_state() -> Vec<UpdateState> {
        vec![
            copying(3),
            UpdateState::Checking,
            offered(false),
            offered(true),
            installing(4),
            ready(),
            refused(),
            ended(Outcome::Confirmed),
            ended(Outcome::RolledBack),
            UpdateState::Recovery,
        ]
    }

    #[test]
    fn nothing_takes_the_screen_from_a_smear_that_is_counted() {
        for state in every_state() {
            let mut talk = Talk::of(state.clone(), COUNTING);
            talk.wait(60_000, COUNTING);
            assert_eq!(talk.page(), None, "{state:?}");
            assert!(talk.dialog.notice().is_some(), "{state:?}");
            for action in [Action::Next, Action::StepBrightness, Action::ShutDown] {
                assert_eq!(talk.press(action), Meaning::Of(action), "{state:?}");
            }
            assert_eq!(talk.press(Action::Third), Meaning::Nothing, "{state:?}");
        }
        let mut talk = Talk::of(UpdateState::Idle, IDLE);
        assert_eq!((talk.page(), talk.dialog.notice()), (None, None));
        assert_eq!(talk.press(Action::Next), Meaning::Of(Action::Next));
        assert_eq!(talk.press(Action::Third), Meaning::Nothing);
        assert_eq!(talk.press(Action::Stop), Meaning::Of(Action::Stop));
    }

    #[test]
    fn between_smears_every_state_has_its_page_and_stays_there() {
        for state in every_state() {
            let mut talk = Talk::of(state.clone(), IDLE);
            assert!(talk.page().is_some(), "{state:?}");
            // A field that was under way when the page came.
            talk.wait(1000, COUNTING);
            assert!(talk.page().is_some(), "{state:?}");
            for action in [Action::ShutDown, Action::Stop] {
                assert_eq!(talk.press(action), Meaning::Of(action), "{state:?}");
            }
        }
    }

    #[test]
    fn a_result_is_seen_before_a_question_and_not_hidden_by_progress() {
        for state in every_state() {
            let is_question = kind_of(&state) == Kind::Question;
            let mut talk = Talk::of(state.clone(), COUNTING);
            talk.wait(4000, RESULT);
            assert_eq!(talk.page(), None, "{state:?}");
            assert!(talk.dialog.notice().is_some(), "{state:?}");
            talk.wait(1500, RESULT);
            assert_eq!(talk.page().is_some(), is_question, "{state:?}");
        }
    }

    #[test]
    fn buttons_say_what_the_page_says() {
        use Action::{Next, StepBrightness, Third};
        let answer = Meaning::Answer;
        let light = || Meaning::Of(StepBrightness);
        let cases = [
            (copying(3), Next, Meaning::Nothing, false),
            (copying(3), StepBrightness, light(), true),
            (UpdateState::Checking, Third, Meaning::Nothing, false),
            (offered(false), Next, answer(install(false)), true),
            (offered(false), StepBrightness, answer(later()), false),
            (offered(false), Third, answer(later()), false),
            (offered(true), Next, Meaning::Nothing, true),
            (offered(true), StepBrightness, answer(later()), false),
            (installing(9), Next, Meaning::Nothing, false),
            (ready(), Next, answer(Answer::Restart), true),
            (ready(), StepBrightness, Meaning::Nothing, false),
            (ready(), Third, Meaning::Nothing, false),
            (refused(), Next, answer(Answer::Seen), false),
            (refused(), StepBrightness, light(), true),
            (refused(), Third, answer(Answer::Seen), false),
            (ended(Outcome::Confirmed), Next, answer(Answer::Seen), false),
            (UpdateState::Recovery, Next, answer(Answer::TryAgain), true),
            (
                UpdateState::Recovery,
                StepBrightness,
                Meaning::Nothing,
                false,
            ),
        ];
        for (state, action, expected, stays_open) in cases {
            let mut talk = Talk::of(state.clone(), IDLE);
            assert_eq!(talk.press(action), expected, "{state:?} {action:?}");
            talk.wait(0, IDLE);
            assert_eq!(talk.dialog.is_open(), stays_open, "{state:?} {action:?}");
        }
    }

    #[test]
    fn an_older_version_is_asked_about_twice() {
        let mut talk = Talk::of(offered(true), IDLE);
        assert!(matches!(talk.page(), Some(UpdatePage::Offered { .. })));
        talk.press(Action::Next);
        assert!(matches!(talk.page(), Some(UpdatePage::Older { .. })));
        assert_eq!(talk.press(Action::Next), Meaning::Nothing, "pressed twice");
        talk.wait(1000, IDLE);
        let agreed = Meaning::Answer(install(true));
        assert_eq!(talk.press(Action::Next), agreed);
        assert_eq!(talk.page(), Some(UpdatePage::Answered));

        let mut talk = Talk::of(offered(true), IDLE);
        talk.press(Action::Next);
        talk.wait(1000, IDLE);
        let refused = Meaning::Answer(later());
        assert_eq!(talk.press(Action::StepBrightness), refused);
        // What was agreed to for one offer is not for the next.
        talk.say(UpdateState::Idle, IDLE);
        talk.say(offered(true), IDLE);
        assert_eq!(talk.press(Action::Next), Meaning::Nothing);
    }

    #[test]
    fn news_give_the_screen_back_where_nobody_is() {
        for state in every_state() {
            let is_news = matches!(state, UpdateState::Refused(_) | UpdateState::Ended(_));
            let mut talk = Talk::of(state.clone(), IDLE);
            talk.wait(NEWS_LIMIT.as_millis() as u64 - 2000, IDLE);
            assert!(talk.page().is_some(), "{state:?}");
            talk.wait(3000, IDLE);
            assert_eq!(talk.page().is_none(), is_news, "{state:?}");
            assert!(talk.dialog.notice().is_some(), "{state:?}");
        }
    }

    #[test]
    fn a_press_that_was_meant_for_the_screen_before_says_nothing() {
        let mut talk = Talk::of(UpdateState::Idle, IDLE);
        talk.dialog.take(offered(false));
        talk.wait(300, IDLE);
        assert!(talk.page().is_some());
        for action in [Action::Next, Action::StepBrightness, Action::Third] {
            assert_eq!(talk.press(action), Meaning::Nothing, "{action:?}");
        }
        talk.wait(500, IDLE);
        assert_eq!(talk.press(Action::Next), Meaning::Answer(install(false)));
    }

    #[test]
    fn an_answer_that_nobody_takes_is_asked_for_again() {
        for (state, page, limit) in [
            (offered(false), UpdatePage::Answered, INSTALL_LIMIT),
            (ready(), UpdatePage::Restarting, RESTART_LIMIT),
            (UpdateState::Recovery, UpdatePage::Restarting, RESTART_LIMIT),
        ] {
            let mut talk = Talk::of(state.clone(), IDLE);
            let asked = talk.page().map(|page| format!("{page:?}"));
            talk.press(Action::Next);
            assert_eq!(talk.page(), Some(page), "{state:?}");
            assert_eq!(talk.press(Action::Next), Meaning::Nothing);
            talk.wait(limit.as_millis() as u64 - 1000, IDLE);
            assert_eq!(talk.page(), Some(page), "{state:?}");
            talk.wait(2000, IDLE);
            let again = talk.page().map(|page| format!("{page:?}"));
            assert_eq!(again, asked, "{state:?}");
        }
    }

    #[test]
    fn progress_that_was_put_aside_stays_a_line_until_there_is_a_question() {
        let mut talk = Talk::of(copying(3), IDLE);
        talk.press(Action::Next);
        for state in [copying(4), UpdateState::Checking] {
            talk.say(state.clone(), IDLE);
            assert_eq!(talk.page(), None, "{state:?}");
            assert!(talk.dialog.notice().is_some(), "{state:?}");
        }
        talk.say(offered(false), IDLE);
        assert!(talk.page().is_some());
        talk.press(Action::Next);
        talk.say(installing(0), IDLE);
        assert!(talk.page().is_some());
        talk.wait(0, RESULT);
        assert_eq!(talk.page(), None, "a result is on the screen");
    }

    #[test]
    fn a_restart_that_was_put_off_is_asked_for_after_each_smear() {
        let mut talk = Talk::of(ready(), IDLE);
        talk.press(Action::StepBrightness);
        talk.wait(60_000, IDLE);
        talk.wait(60_000, COUNTING);
        assert_eq!(talk.page(), None);
        assert_eq!(talk.dialog.notice(), Some(Notice::UpdateReady));
        talk.wait(6000, RESULT);
        assert!(talk.page().is_some());
        talk.press(Action::Third);
        talk.wait(60_000, RESULT);
        assert_eq!(talk.page(), None);
    }

    #[test]
    fn what_was_answered_is_not_told_again() {
        for state in [offered(false), refused(), ended(Outcome::RolledBack)] {
            let mut talk = Talk::of(state.clone(), IDLE);
            talk.press(Action::Third);
            talk.wait(60_000, IDLE);
            talk.wait(60_000, RESULT);
            assert_eq!(
                (talk.page(), talk.dialog.notice()),
                (None, None),
                "{state:?}"
            );
        }
    }

    #[test]
    fn notes_are_in_the_language_of_the_screen_or_in_english() {
        let talk = Talk::of(offered(false), IDLE);
        let notes = Language::ALL.map(|language| match talk.dialog.page(language) {
            Some(UpdatePage::Offered { notes, .. }) => notes,
            _ => "",
        });
        assert_eq!(notes, ["quicker", "quicker", "plus rapide"]);
    }
}
