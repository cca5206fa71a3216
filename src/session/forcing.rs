//! Which refused frames the operator may have counted anyway.

use crate::quality::{RejectReason, Verdict};

/// Whether a frame was refused by a gate that is a matter of judgement: focus, density or contrast.
/// No judgement makes a smear of what is none, or light of darkness.
pub fn may_be_forced(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Usable => false,
        Verdict::Rejected(reason) => matches!(
            reason,
            RejectReason::Blurred
                | RejectReason::PartlyBlurred
                | RejectReason::TooThick
                | RejectReason::LowContrast
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_matter_of_judgement_can_be_forced() {
        let forced = |reason: &RejectReason| may_be_forced(Verdict::Rejected(*reason));
        let forced: Vec<_> = RejectReason::ALL.into_iter().filter(forced).collect();
        let judged = [
            RejectReason::Blurred,
            RejectReason::PartlyBlurred,
            RejectReason::LowContrast,
            RejectReason::TooThick,
        ];
        assert_eq!(forced, judged);
        assert!(!may_be_forced(Verdict::Usable));
    }
}
