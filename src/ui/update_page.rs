//! What a page about a firmware update says, in which order, and what its buttons mean.

use super::wording;
use crate::language::{Language, TextId};
use crate::session::update_page::UpdatePage;
use crate::update::Notes;

/// What the first and the second button say on a page; `None` for one that says nothing there.
pub(super) fn buttons(page: &UpdatePage<'_>) -> [Option<TextId>; 2] {
    match page {
        UpdatePage::Copying { .. } | UpdatePage::Checking | UpdatePage::Installing { .. } => {
            [Some(TextId::ButtonBackToCounting), None]
        }
        UpdatePage::Offered { .. } => [Some(TextId::ButtonInstall), Some(TextId::ButtonNotNow)],
        UpdatePage::Older { .. } => [Some(TextId::ButtonInstallOlder), Some(TextId::ButtonNotNow)],
        UpdatePage::Ready { .. } => [Some(TextId::ButtonRestart), Some(TextId::ButtonLater)],
        UpdatePage::Answered | UpdatePage::Restarting => [None, None],
        UpdatePage::Refused(_) | UpdatePage::Confirmed { .. } | UpdatePage::RolledBack { .. } => {
            [Some(TextId::ButtonOk), None]
        }
        UpdatePage::Recovery => [Some(TextId::ButtonTryAgain), Some(TextId::ButtonCountHere)],
    }
}

/// A page's heading.
pub(super) fn title(page: &UpdatePage<'_>) -> TextId {
    match page {
        UpdatePage::Copying { .. } | UpdatePage::Checking | UpdatePage::Answered => {
            TextId::UpdateTitle
        }
        UpdatePage::Offered { .. } => TextId::UpdateInstall,
        UpdatePage::Older { .. } => TextId::UpdateOlder,
        UpdatePage::Installing { .. } => TextId::UpdateInstalling,
        UpdatePage::Ready { .. } => TextId::UpdateRestart,
        UpdatePage::Restarting => TextId::UpdateRestarting,
        UpdatePage::Refused(_) => TextId::UpdateRefused,
        UpdatePage::Confirmed { .. } => TextId::UpdateDone,
        UpdatePage::RolledBack { .. } => TextId::UpdateRolledBack,
        UpdatePage::Recovery => TextId::Recovery,
    }
}

/// One thing that a page says, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block<'a> {
    /// A version behind its label.
    Version(TextId, &'a str),
    Percent(u8),
    Text(TextId),
    /// What the page is there for.
    Strong(TextId),
    /// Above a text, what it is about.
    Label(TextId),
    /// The same, above what to do.
    Heading(TextId),
    /// In words that came from elsewhere.
    Untranslated(&'a str),
}

/// The most that a page says.
const MAX_BLOCKS: usize = 6;

/// What a page says between its title and its buttons. A table with a row for each page, and so
/// longer than 70 lines.
pub(super) fn content<'a>(
    page: &UpdatePage<'a>,
    language: Language,
) -> impl Iterator<Item = Block<'a>> {
    use Block::{Heading, Label, Percent, Strong, Text, Untranslated, Version};
    let mut blocks: [Option<Block<'a>>; MAX_BLOCKS] = [None; MAX_BLOCKS];
    let mut say = |all: &[Block<'a>]| {
        for (place, one) in blocks.iter_mut().zip(all) {
            *place = Some(*one);
        }
    };
    match *page {
        UpdatePage::Copying { percent } => say(&[
            Text(TextId::UpdateIsCopied),
            Percent(percent),
            Strong(TextId::UpdateLeaveCard),
        ]),
        UpdatePage::Checking => say(&[
            Text(TextId::UpdateIsVerified),
            Strong(TextId::UpdateCardFree),
        ]),
        UpdatePage::Offered {
            running,
            offered,
            notes,
        } => say(&[
            Version(TextId::VersionInstalled, running),
            Version(TextId::VersionOnCard, offered),
            Untranslated(notes_in(notes, language)),
        ]),
        UpdatePage::Older { running, offered } => say(&[
            Version(TextId::VersionInstalled, running),
            Version(TextId::VersionOnCard, offered),
            Strong(TextId::UpdateIsOlder),
            Text(TextId::UpdateOlderLoses),
        ]),
        UpdatePage::Installing { version, percent } => say(&[
            Version(TextId::VersionNew, version),
            Percent(percent),
            Text(TextId::UpdateIsInstalled),
        ]),
        UpdatePage::Ready { version } => say(&[
            Version(TextId::VersionNew, version),
            Strong(TextId::UpdateStartsNext),
            Text(TextId::UpdateFallsBack),
        ]),
        UpdatePage::Answered => say(&[Strong(TextId::UpdateMoment)]),
        UpdatePage::Restarting => say(&[Strong(TextId::UpdateRestarts)]),
        UpdatePage::Refused(problem) => say(&[
            Label(TextId::ErrorWhatHappened),
            Text(problem.into()),
            Heading(TextId::ErrorWhatToDo),
            Strong(wording::update_help(problem)),
            Text(TextId::UpdateUnchanged),
        ]),
        UpdatePage::Confirmed { from, to } => say(&[
            Version(TextId::VersionBefore, from),
            Version(TextId::VersionNow, to),
            Strong(TextId::UpdateStays),
        ]),
        UpdatePage::RolledBack { from, to, reason } => say(&[
            Version(TextId::VersionFailed, to),
            Version(TextId::VersionNow, from),
            Strong(TextId::UpdateFailed),
            Untranslated(reason),
        ]),
        UpdatePage::Recovery => say(&[
            Label(TextId::ErrorWhatHappened),
            Text(TextId::RecoveryHappened),
            Heading(TextId::ErrorWhatToDo),
            Strong(TextId::RecoveryHelp),
        ]),
    }
    blocks.into_iter().flatten()
}

/// Release notes in the screen's language, or else in English.
fn notes_in(notes: &Notes, language: Language) -> &str {
    // A bundle has notes in these languages only.
    let own = match language.code() {
        "es" => &notes.es,
        "fr" => &notes.fr,
        _ => &notes.en,
    };
    if own.is_empty() { &notes.en } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_in_the_language_of_the_screen_or_in_english() {
        let notes = Notes {
            en: "quicker".to_owned(),
            es: String::new(),
            fr: "plus rapide".to_owned(),
        };
        let shown = Language::ALL.map(|language| notes_in(&notes, language));
        assert_eq!(shown, ["quicker", "quicker", "plus rapide"]);
    }
}
