//! What the operator is told and asked about an update, and what was answered.
//!
//! Pure: it is told the update's state, how the smear stands and what time it is. A page takes the
//! screen only between smears, and nothing is counted while it is there, so that no press of a
//! button can be meant for two things.

use super::guidance::Notice;
use super::update_page::UpdatePage;
use crate::update::{Answer, Offer, Outcome, UpdateState};
use std::time::{Duration, Instant};

/// A result stays on the screen for so long before a question takes its place.
pub const RESULT_HOLD: Duration = Duration::from_secs(5);
/// A press so soon after a question came up was meant for what was there before.
pub const INPUT_GUARD: Duration = Duration::from_millis(700);
/// How long the updater may take to begin what it was answered.
const INSTALL_LIMIT: Duration = Duration::from_secs(10);
/// How long the system may take to stop for a restart.
const RESTART_LIMIT: Duration = Duration::from_secs(60);
/// A refusal, and how an update ended, hold the screen for so long: an unattended device resumes
/// counting.
pub const NEWS_LIMIT: Duration = Duration::from_secs(60);

/// How the smear stands beneath a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SmearStage {
    /// A smear with counted fields is being counted.
    pub is_counting: bool,
    /// A smear's result is on the screen.
    pub has_result: bool,
}

/// Whether the operator has dismissed the present state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Dismissal {
    #[default]
    No,
    /// A line goes on to tell of it.
    ToLine,
    /// The updater was answered, and soon says something else.
    Whole,
}

/// What a page about an update wants of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// Something is going on; nothing is asked.
    Progress,
    /// Yes or no.
    Question,
    /// Something to read.
    News,
    /// The updater was answered, and has not begun yet.
    Answered,
}

fn kind_of(state: &UpdateState) -> Option<PageKind> {
    match state {
        UpdateState::Idle => None,
        UpdateState::Copying { .. } | UpdateState::Checking | UpdateState::Installing { .. } => {
            Some(PageKind::Progress)
        }
        UpdateState::Offered(_) | UpdateState::ReadyToRestart { .. } | UpdateState::Recovery => {
            Some(PageKind::Question)
        }
        UpdateState::Refused(_) | UpdateState::Ended(_) => Some(PageKind::News),
    }
}

/// The operator and an update.
#[derive(Debug, Default)]
pub struct UpdatePrompt {
    state: UpdateState,
    dismissal: Dismissal,
    /// An older version was agreed to once.
    is_agreed: bool,
    /// When the updater was answered something that takes it a moment.
    answered: Option<Instant>,
    is_open: bool,
    /// When what is on the page was first asked.
    asked: Option<Instant>,
    result_since: Option<Instant>,
}

impl UpdatePrompt {
    /// The updater says something.
    pub fn take(&mut self, state: UpdateState) {
        if state == self.state {
            return;
        }
        let both = [kind_of(&self.state), kind_of(&state)];
        if both != [Some(PageKind::Progress); 2] {
            self.dismissal = Dismissal::No;
            self.asked = None;
        }
        self.is_agreed = false;
        self.answered = None;
        self.state = state;
    }

    /// Time goes on, and so does the smear.
    pub fn tick(&mut self, stage: SmearStage, now: Instant) {
        if !stage.has_result {
            self.result_since = None;
        } else if self.result_since.is_none() {
            self.result_since = Some(now);
            // Asked again after each smear.
            let is_ready = matches!(self.state, UpdateState::ReadyToRestart { .. });
            if is_ready && self.dismissal == Dismissal::ToLine {
                self.dismissal = Dismissal::No;
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
        let kind = kind_of(&self.state);
        let is_old = |asked: Instant| since(asked) > NEWS_LIMIT;
        if kind == Some(PageKind::News) && self.is_open && self.asked.is_some_and(is_old) {
            self.dismiss(Dismissal::ToLine);
        }
        let is_result_seen = self
            .result_since
            .is_none_or(|start| since(start) >= RESULT_HOLD);
        let is_wanted = self.dismissal == Dismissal::No
            && match kind {
                None => false,
                Some(PageKind::Progress) => !stage.has_result,
                Some(_) => self.is_open || is_result_seen,
            };
        self.is_open = is_wanted && (self.is_open || !stage.is_counting);
        if self.is_open {
            self.asked.get_or_insert(now);
        } else {
            self.asked = None;
        }
    }

    /// What the page that has the screen wants; `None` where none has it.
    pub fn open_page(&self) -> Option<PageKind> {
        self.is_open.then_some(())?;
        if self.answered.is_some() {
            return Some(PageKind::Answered);
        }
        kind_of(&self.state)
    }

    /// The page that has the screen.
    pub fn page(&self) -> Option<UpdatePage<'_>> {
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
                notes: &offer.notes,
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
                Outcome::Confirmed => UpdatePage::Confirmed {
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
    pub fn notice(&self) -> Option<Notice> {
        if self.dismissal == Dismissal::Whole {
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

    /// Whether a press now was meant for what was on the screen before the page.
    pub fn is_guarded(&self, now: Instant) -> bool {
        let is_too_soon = |asked: Instant| now.saturating_duration_since(asked) < INPUT_GUARD;
        self.asked.is_none_or(is_too_soon)
    }

    /// Yes to the question; what is to be told to the updater, if anything yet.
    pub fn accept(&mut self, now: Instant) -> Option<Answer> {
        match &self.state {
            UpdateState::Offered(offer) if offer.is_older && !self.is_agreed => {
                self.is_agreed = true;
                self.asked = Some(now);
                None
            }
            UpdateState::Offered(offer) => Some(Answer::Install {
                sha256: offer.sha256.clone(),
                is_older_agreed: self.is_agreed,
            }),
            UpdateState::ReadyToRestart { .. } => Some(Answer::Restart),
            UpdateState::Recovery => Some(Answer::TryAgain),
            _ => None,
        }
    }

    /// No to the question, or what is told has been seen; what is to be told to the updater.
    pub fn decline(&mut self) -> Option<Answer> {
        match &self.state {
            UpdateState::Offered(Offer { sha256, .. }) => Some(Answer::Later {
                sha256: sha256.clone(),
            }),
            UpdateState::Refused(_) | UpdateState::Ended(_) => Some(Answer::Seen),
            _ => {
                self.dismiss(Dismissal::ToLine);
                None
            }
        }
    }

    /// The updater has been told, or cannot be: whoever says no can go on counting either way, and
    /// whoever says yes is asked again.
    pub fn answer_written(&mut self, answer: &Answer, is_written: bool, now: Instant) {
        match answer {
            Answer::Install { .. } | Answer::Restart | Answer::TryAgain => {
                if is_written {
                    self.answered = Some(now);
                }
            }
            Answer::Later { .. } | Answer::Seen => self.dismiss(Dismissal::Whole),
        }
    }

    fn dismiss(&mut self, dismissal: Dismissal) {
        self.dismissal = dismissal;
        self.is_open = false;
    }
}
