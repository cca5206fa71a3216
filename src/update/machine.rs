//! The updater as a state machine: what happened goes in, what is to be done comes out.

use crate::update::card::entry::{CardEntry, CardId};
use crate::update::protocol::{Answer, Offer, Problem, ProblemKind, UpdateResult, UpdateState};

/// Polls of the cards for which the screen says that a card was pulled.
const PULLED_POLLS: u32 = 5;
/// The most cards that are remembered.
const MAX_CARDS: usize = 16;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The cards that are in, once a second.
    Cards(Vec<CardId>),
    /// What was found on a card; `None` where it has no bundle.
    Scanned(Result<Option<CardEntry>, Problem>),
    /// How far the copy has come.
    Copying(u8),
    /// The copy of the bundle is complete; its SHA-256.
    Copied(Result<String, Problem>),
    /// The bundle is genuine and for this device; `None` where its version already runs.
    Checked(Result<Option<Offer>, Problem>),
    /// How far the installation has come.
    Installing(u8),
    /// The installation has ended, or failed.
    Installed(Result<(), Problem>),
    /// The operator has chosen.
    Answered(Answer),
    /// The system refused what it was asked for.
    NotDone(Problem),
}

/// What is to be done. Each but the last four is answered by an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look for bundles on the card.
    Scan(CardId),
    /// Copy the bundle from the card to the device.
    Copy(CardId, CardEntry),
    /// Verify the copy: its hash, signature and device.
    Check {
        /// The copy's hash, in lower-case hexadecimal digits.
        sha256: String,
    },
    /// Write the offered bundle into the slot that does not run.
    Install(Offer),
    /// Restart the device.
    Restart,
    /// Give the installed systems new tries, and restart.
    TryAgain,
    /// The copy is not needed any more.
    Discard,
    /// The operator has seen how the update ended.
    NoteSeen,
    /// Write a line into the card's report, if a card is in.
    Report(Option<CardId>, String),
}

/// Where the updater stands.
#[derive(Debug, Clone)]
pub struct Machine {
    state: UpdateState,
    is_recovery: bool,
    /// Cards that were scanned and are still in.
    seen: Vec<CardId>,
    /// The card whose bundle is being worked on.
    card: Option<CardId>,
    /// Polls until a pulled card is no longer shown.
    pulled_polls_left: u32,
    /// A result that no card has had in its report yet.
    unreported: Option<String>,
}

impl Machine {
    /// At the start of the updater. `waiting` is the version that only waits for a restart.
    pub fn new(is_recovery: bool, waiting: Option<String>, ended: Option<UpdateResult>) -> Self {
        let mut machine = Self {
            state: UpdateState::Idle,
            is_recovery,
            seen: Vec::new(),
            card: None,
            pulled_polls_left: 0,
            unreported: ended.as_ref().map(describe),
        };
        machine.state = match (waiting, ended) {
            (Some(version), _) => UpdateState::ReadyToRestart { version },
            (None, Some(result)) if !is_recovery => UpdateState::Ended(result),
            _ => machine.resting(),
        };
        machine
    }

    /// As the screen shows it.
    pub fn state(&self) -> &UpdateState {
        &self.state
    }

    fn resting(&self) -> UpdateState {
        if self.is_recovery {
            UpdateState::Recovery
        } else {
            UpdateState::Idle
        }
    }

    fn rest(&mut self) {
        self.state = self.resting();
    }

    /// Takes what happened; returns what to do, in that order. Events that do not fit the
    /// state change nothing.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        if !self.fits(&event) {
            return Vec::new();
        }
        match event {
            Event::Cards(cards) => self.poll_cards(&cards),
            Event::Scanned(found) => match found {
                Ok(Some(bundle)) => match self.card.clone() {
                    Some(card) => {
                        self.state = UpdateState::Copying { percent: 0 };
                        vec![Effect::Copy(card, bundle)]
                    }
                    None => Vec::new(),
                },
                Ok(None) => Vec::new(),
                Err(problem) => self.refuse(problem),
            },
            Event::Copying(percent) => {
                if let UpdateState::Copying { percent: shown } = &mut self.state {
                    *shown = percent.min(100);
                }
                Vec::new()
            }
            Event::Copied(Ok(sha256)) => {
                self.state = UpdateState::Checking;
                vec![Effect::Check { sha256 }]
            }
            Event::Copied(Err(problem)) | Event::Checked(Err(problem)) => {
                let mut effects = self.refuse(problem);
                effects.push(Effect::Discard);
                effects
            }
            Event::Checked(Ok(Some(offer))) => {
                self.state = UpdateState::Offered(offer);
                Vec::new()
            }
            Event::Checked(Ok(None)) => {
                self.rest();
                vec![Effect::Discard]
            }
            Event::Installing(percent) => {
                if let UpdateState::Installing { percent: shown, .. } = &mut self.state {
                    *shown = percent.min(100);
                }
                Vec::new()
            }
            Event::Installed(result) => self.installed(result),
            Event::Answered(answer) => self.answered(answer),
            Event::NotDone(problem) => self.refuse(problem),
        }
    }

    fn fits(&self, event: &Event) -> bool {
        use UpdateState::{Checking, Copying, Idle, Installing, Recovery};
        match event {
            Event::Scanned(_) => matches!(self.state, Idle | Recovery),
            Event::Copying(_) | Event::Copied(_) => matches!(self.state, Copying { .. }),
            Event::Checked(_) => matches!(self.state, Checking),
            Event::Installing(_) | Event::Installed(_) => {
                matches!(self.state, Installing { .. })
            }
            Event::Cards(_) | Event::Answered(_) | Event::NotDone(_) => true,
        }
    }

    fn poll_cards(&mut self, cards: &[CardId]) -> Vec<Effect> {
        self.seen.retain(|card| cards.contains(card));
        let is_gone = self.card.as_ref().is_some_and(|card| !cards.contains(card));
        if let UpdateState::Refused(problem) = &self.state {
            let is_pulled = problem.kind == ProblemKind::CardPulled;
            self.pulled_polls_left = self.pulled_polls_left.saturating_sub(1);
            let is_over = if is_pulled {
                self.pulled_polls_left == 0
            } else {
                is_gone
            };
            if is_over {
                self.rest();
            }
        }
        if is_gone && !self.is_at_work() {
            self.card = None;
        }
        let mut effects = Vec::new();
        if let (Some(card), true) = (cards.first(), self.unreported.is_some()) {
            let text = self.unreported.take();
            effects.extend(text.map(|text| Effect::Report(Some(card.clone()), text)));
        }
        if !matches!(self.state, UpdateState::Idle | UpdateState::Recovery) {
            return effects;
        }
        let new = cards.iter().find(|card| !self.seen.contains(card));
        if let Some(card) = new.filter(|_| self.seen.len() < MAX_CARDS) {
            self.seen.push(card.clone());
            self.card = Some(card.clone());
            effects.push(Effect::Scan(card.clone()));
        }
        effects
    }

    fn is_at_work(&self) -> bool {
        use UpdateState::{Checking, Copying, Installing};
        matches!(self.state, Copying { .. } | Checking | Installing { .. })
    }

    fn refuse(&mut self, problem: Problem) -> Vec<Effect> {
        let report = Effect::Report(self.card.clone(), format!("refused: {}", problem.text));
        let is_pulled = problem.kind == ProblemKind::CardPulled;
        self.pulled_polls_left = PULLED_POLLS;
        self.state = UpdateState::Refused(problem);
        if is_pulled { Vec::new() } else { vec![report] }
    }

    fn installed(&mut self, result: Result<(), Problem>) -> Vec<Effect> {
        let version = match &self.state {
            UpdateState::Installing { version, .. } => version.clone(),
            _ => return Vec::new(),
        };
        let mut effects = match result {
            Ok(()) => {
                let text = format!("{version} is installed and starts at the next restart");
                self.state = UpdateState::ReadyToRestart { version };
                vec![Effect::Report(self.card.clone(), text)]
            }
            Err(problem) => self.refuse(problem),
        };
        effects.push(Effect::Discard);
        effects
    }

    fn answered(&mut self, answer: Answer) -> Vec<Effect> {
        match (answer, &self.state) {
            (
                Answer::Install {
                    sha256,
                    is_older_agreed,
                },
                UpdateState::Offered(offer),
            ) if sha256 == offer.sha256 && (is_older_agreed || !offer.is_older) => {
                let offer = offer.clone();
                self.state = UpdateState::Installing {
                    version: offer.version.clone(),
                    percent: 0,
                };
                vec![Effect::Install(offer)]
            }
            (Answer::Later { sha256 }, UpdateState::Offered(offer)) if sha256 == offer.sha256 => {
                self.rest();
                vec![Effect::Discard]
            }
            (Answer::Restart, UpdateState::ReadyToRestart { .. }) => vec![Effect::Restart],
            (Answer::Seen, UpdateState::Refused(_)) => {
                self.rest();
                Vec::new()
            }
            (Answer::Seen, UpdateState::Ended(_)) => {
                self.rest();
                vec![Effect::NoteSeen]
            }
            (Answer::TryAgain, UpdateState::Recovery) => vec![Effect::TryAgain],
            _ => Vec::new(),
        }
    }
}

/// A result as one line of a report.
fn describe(result: &UpdateResult) -> String {
    use crate::update::protocol::Outcome;
    match result.outcome {
        Outcome::Confirmed => format!("{} runs and is confirmed", result.to),
        Outcome::RolledBack => format!(
            "{} was rolled back to {}: {}",
            result.to, result.from, result.reason
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::protocol::{Notes, Outcome};
    use proptest::prelude::*;

    fn card(sequence: u64) -> CardId {
        CardId {
            name: "sda1".to_owned(),
            sequence,
        }
    }

    fn entry() -> CardEntry {
        CardEntry {
            name: "x.raucb".into(),
            is_file: true,
            size_bytes: 10,
            modified_s: 0,
        }
    }

    fn offer(is_older: bool) -> Offer {
        Offer {
            sha256: "ab".to_owned(),
            version: "1.1.0".to_owned(),
            running_version: "1.0.0".to_owned(),
            is_older,
            notes: Notes::default(),
        }
    }

    fn problem(kind: ProblemKind) -> Problem {
        let text = "why".to_owned();
        Problem { kind, text }
    }

    fn install(is_older_agreed: bool) -> Event {
        Event::Answered(Answer::Install {
            sha256: "ab".to_owned(),
            is_older_agreed,
        })
    }

    /// A machine that offers a bundle of a card that is still in.
    fn offering(is_older: bool) -> Machine {
        let mut machine = Machine::new(false, None, None);
        let effects = machine.step(Event::Cards(vec![card(1)]));
        assert_eq!(effects, [Effect::Scan(card(1))]);
        let effects = machine.step(Event::Scanned(Ok(Some(entry()))));
        assert_eq!(effects, [Effect::Copy(card(1), entry())]);
        machine.step(Event::Copying(40));
        assert_eq!(machine.state(), &UpdateState::Copying { percent: 40 });
        let effects = machine.step(Event::Copied(Ok("ab".to_owned())));
        let sha256 = "ab".to_owned();
        assert_eq!(effects, [Effect::Check { sha256 }]);
        assert_eq!(machine.state(), &UpdateState::Checking);
        machine.step(Event::Checked(Ok(Some(offer(is_older)))));
        assert_eq!(machine.state(), &UpdateState::Offered(offer(is_older)));
        machine
    }

    #[test]
    fn an_update_goes_from_the_card_to_the_restart() {
        let mut machine = offering(false);
        // The card is not needed any more.
        assert_eq!(machine.step(Event::Cards(Vec::new())), []);
        assert_eq!(
            machine.step(install(false)),
            [Effect::Install(offer(false))]
        );
        machine.step(Event::Installing(55));
        let version = "1.1.0".to_owned();
        let installing = UpdateState::Installing {
            version: version.clone(),
            percent: 55,
        };
        assert_eq!(machine.state(), &installing);
        // Another card is left alone.
        assert_eq!(machine.step(Event::Cards(vec![card(2)])), []);
        let effects = machine.step(Event::Installed(Ok(())));
        assert_eq!(effects.last(), Some(&Effect::Discard));
        assert_eq!(machine.state(), &UpdateState::ReadyToRestart { version });
        assert_eq!(
            machine.step(Event::Answered(Answer::Restart)),
            [Effect::Restart]
        );
    }

    #[test]
    fn an_older_version_needs_the_second_consent_and_the_hash_must_fit() {
        let mut machine = offering(true);
        assert_eq!(machine.step(install(false)), []);
        let stale = Answer::Install {
            sha256: "cd".to_owned(),
            is_older_agreed: true,
        };
        assert_eq!(machine.step(Event::Answered(stale)), []);
        assert_eq!(machine.step(install(true)), [Effect::Install(offer(true))]);
        assert_eq!(machine.step(install(true)), [], "once only");
    }

    #[test]
    fn later_holds_until_the_card_is_put_in_anew() {
        let mut machine = offering(false);
        let sha256 = "ab".to_owned();
        let effects = machine.step(Event::Answered(Answer::Later { sha256 }));
        assert_eq!(effects, [Effect::Discard]);
        assert_eq!(machine.state(), &UpdateState::Idle);
        assert_eq!(machine.step(Event::Cards(vec![card(1)])), []);
        assert_eq!(machine.step(Event::Cards(Vec::new())), []);
        assert_eq!(
            machine.step(Event::Cards(vec![card(2)])),
            [Effect::Scan(card(2))]
        );
    }

    #[test]
    fn a_refusal_stands_until_seen_or_until_its_card_is_gone() {
        let refused = |kind| {
            let mut machine = Machine::new(false, None, None);
            machine.step(Event::Cards(vec![card(1)]));
            let effects = machine.step(Event::Scanned(Err(problem(kind))));
            (machine, effects)
        };
        let (mut machine, effects) = refused(ProblemKind::Several);
        assert!(matches!(effects[..], [Effect::Report(Some(_), _)]));
        machine.step(Event::Cards(vec![card(1)]));
        assert!(matches!(machine.state(), UpdateState::Refused(_)));
        machine.step(Event::Cards(Vec::new()));
        assert_eq!(machine.state(), &UpdateState::Idle);
        let (mut machine, _) = refused(ProblemKind::NotGenuine);
        machine.step(Event::Answered(Answer::Seen));
        assert_eq!(machine.state(), &UpdateState::Idle);
        assert_eq!(machine.step(Event::Cards(vec![card(1)])), [], "looked at");
    }

    #[test]
    fn a_pulled_card_is_shown_for_a_moment() {
        let mut machine = Machine::new(false, None, None);
        machine.step(Event::Cards(vec![card(1)]));
        machine.step(Event::Scanned(Ok(Some(entry()))));
        let effects = machine.step(Event::Copied(Err(problem(ProblemKind::CardPulled))));
        assert_eq!(effects, [Effect::Discard]);
        for _ in 1..PULLED_POLLS {
            machine.step(Event::Cards(Vec::new()));
            assert!(matches!(machine.state(), UpdateState::Refused(_)));
        }
        machine.step(Event::Cards(Vec::new()));
        assert_eq!(machine.state(), &UpdateState::Idle);
    }

    #[test]
    fn a_version_that_runs_already_is_no_offer() {
        let mut machine = Machine::new(false, None, None);
        machine.step(Event::Cards(vec![card(1)]));
        machine.step(Event::Scanned(Ok(Some(entry()))));
        machine.step(Event::Copied(Ok("ab".to_owned())));
        assert_eq!(machine.step(Event::Checked(Ok(None))), [Effect::Discard]);
        assert_eq!(machine.state(), &UpdateState::Idle);
        assert_eq!(machine.step(Event::Cards(vec![card(1)])), []);
    }

    #[test]
    fn a_result_is_shown_until_seen_and_reported_once() {
        let result = UpdateResult {
            from: "1.0.0".to_owned(),
            to: "1.1.0".to_owned(),
            outcome: Outcome::RolledBack,
            reason: "it did not start".to_owned(),
        };
        let mut machine = Machine::new(false, None, Some(result.clone()));
        assert_eq!(machine.state(), &UpdateState::Ended(result));
        let effects = machine.step(Event::Cards(vec![card(1)]));
        let text = "1.1.0 was rolled back to 1.0.0: it did not start".to_owned();
        assert_eq!(effects, [Effect::Report(Some(card(1)), text)]);
        assert_eq!(machine.step(Event::Cards(vec![card(1)])), []);
        assert_eq!(
            machine.step(Event::Answered(Answer::Seen)),
            [Effect::NoteSeen]
        );
        assert_eq!(
            machine.step(Event::Cards(vec![card(1)])),
            [Effect::Scan(card(1))]
        );
    }

    #[test]
    fn recovery_takes_a_bundle_or_tries_again() {
        let mut machine = Machine::new(true, None, None);
        assert_eq!(machine.state(), &UpdateState::Recovery);
        assert_eq!(
            machine.step(Event::Answered(Answer::TryAgain)),
            [Effect::TryAgain]
        );
        assert_eq!(
            machine.step(Event::Cards(vec![card(1)])),
            [Effect::Scan(card(1))]
        );
        machine.step(Event::Scanned(Ok(None)));
        assert_eq!(machine.state(), &UpdateState::Recovery);
        let mut waiting = Machine::new(false, Some("1.1.0".to_owned()), None);
        assert_eq!(waiting.step(Event::Answered(Answer::TryAgain)), []);
        assert_eq!(
            waiting.step(Event::Answered(Answer::Restart)),
            [Effect::Restart]
        );
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let sha256 = prop::sample::select(vec!["ab".to_owned(), "cd".to_owned()]);
        prop_oneof![
            prop::collection::vec(0..4_u64, 0..3)
                .prop_map(|cards| Event::Cards(cards.into_iter().map(card).collect())),
            Just(Event::Scanned(Ok(Some(entry())))),
            Just(Event::Scanned(Ok(None))),
            Just(Event::Scanned(Err(problem(ProblemKind::Several)))),
            any::<u8>().prop_map(Event::Copying),
            Just(Event::Copied(Ok("ab".to_owned()))),
            Just(Event::Copied(Err(problem(ProblemKind::CardPulled)))),
            any::<bool>().prop_map(|is_older| Event::Checked(Ok(Some(offer(is_older))))),
            Just(Event::Checked(Ok(None))),
            any::<u8>().prop_map(Event::Installing),
            Just(Event::Installed(Ok(()))),
            Just(Event::Installed(Err(problem(ProblemKind::InstallFailed)))),
            (sha256.clone(), any::<bool>()).prop_map(|(sha256, is_older_agreed)| {
                Event::Answered(Answer::Install {
                    sha256,
                    is_older_agreed,
                })
            }),
            sha256.prop_map(|sha256| Event::Answered(Answer::Later { sha256 })),
            Just(Event::Answered(Answer::Restart)),
            Just(Event::Answered(Answer::Seen)),
            Just(Event::Answered(Answer::TryAgain)),
            Just(Event::NotDone(problem(ProblemKind::InstallFailed))),
        ]
    }

    proptest! {
        #[test]
        fn no_row_of_events_installs_without_consent(
            events in prop::collection::vec(any_event(), 0..60),
            is_recovery in any::<bool>(),
        ) {
            let mut machine = Machine::new(is_recovery, None, None);
            for event in events {
                let before = machine.state().clone();
                let effects = machine.step(event.clone());
                for effect in &effects {
                    match effect {
                        Effect::Install(offer) => {
                            prop_assert_eq!(&before, &UpdateState::Offered(offer.clone()));
                            let Event::Answered(Answer::Install { sha256, is_older_agreed }) = &event
                            else {
                                return Err(TestCaseError::fail("no answer"));
                            };
                            prop_assert_eq!(sha256, &offer.sha256);
                            prop_assert!(*is_older_agreed || !offer.is_older);
                        }
                        Effect::Restart => {
                            let is_ready = matches!(before, UpdateState::ReadyToRestart { .. });
                            prop_assert!(is_ready);
                        }
                        Effect::TryAgain => prop_assert_eq!(&before, &UpdateState::Recovery),
                        _ => {}
                    }
                }
            }
        }
    }
}
